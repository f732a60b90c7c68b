// Verifies an access token of Latchkey by its public keys alone, without asking it about the token. With com.nimbusds:nimbus-jose-jwt
// in the folder lib:
//
//     java -cp 'lib/*' Verify.java https://auth.example.com latchkey "$TOKEN"

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import java.net.URI;
import java.util.Set;

public class Verify {
    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

    Verify(String issuer, String audience) throws Exception {
        // Keeps the keys for five minutes, and asks again for one that it does not know.
        var keys = JWKSourceBuilder.create(URI.create(issuer + "/.well-known/jwks.json").toURL()).retrying(true).build();
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
        var claims = new DefaultJWTClaimsVerifier<SecurityContext>(
            audience,
            new JWTClaimsSet.Builder().issuer(issuer).build(),
            Set.of("sub", "tid", "iat", "nbf", "exp", "jti"));
        claims.setMaxClockSkew(5);
        processor.setJWTClaimsSetVerifier(claims);
    }

    /**
     * The claims. `sub` is the user, `tid` the tenant, `kuid` the API key if the token was born of one.
     *
     * @throws Exception for a token that does not hold. One that was revoked holds for up to 15 minutes more.
     */
    JWTClaimsSet verify(String token) throws Exception {
        return processor.process(token, null);
    }

    public static void main(String[] arguments) throws Exception {
        try {
            System.out.println(new Verify(arguments[0], arguments[1]).verify(arguments[2]));
        } catch (com.nimbusds.jose.proc.BadJOSEException | com.nimbusds.jose.JOSEException | java.text.ParseException error) {
            System.err.println("refused: " + error.getMessage());
            System.exit(1);
        }
    }
}
