"""Writes FIELDS.md from the templates, so that it cannot differ from them. Notes are kept here."""
import re
from pathlib import Path
T = Path(__file__).parent / "templates"
ROUTES = {
 "sign_in": "GET, POST /sign-in", "choose_organization": "answer to POST /sign-in when there are several", "organization": "GET, POST /organization",
 "forgot_organization": "GET, POST /forgot-organization", "forgot_password": "GET, POST /forgot-password", "sign_up": "GET, POST /sign-up",
 "set_password": "GET, POST /activate, /confirm, /reset", "keys": "GET /api-keys and /tenant/api-keys", "key_new": "GET, POST /api-keys/new",
 "key_created": "answer to POST /api-keys/new", "key_edit": "GET, POST /api-keys/{uid}/edit", "key_delete": "GET, POST /api-keys/{uid}/delete",
 "users": "GET /tenant/users", "user_new": "GET, POST /tenant/users/new", "user_roles": "GET, POST /tenant/users/{uid}/roles", "user_delete": "GET, POST /tenant/users/{uid}/delete",
 "user_reset": "GET, POST /tenant/users/{uid}/reset (not in the brief: the page that asks for **OK**)", "settings": "GET /tenant/settings", "audit": "GET /tenant/audit", "profile": "GET /profile", "switch": "GET, POST /switch", "error": "any",
}
NOTES = {
 "title": "heading and browser title", "csrf": "of the session", "is_admin": "shows Tenant Settings", "person_email": "", "undo_action": "path to POST; put the uid and what to set into the path or its query", "flash_text": "plain text",
 "next": "path to go to after the sign-in, checked by the server", "has_org": "organization is known from the address: shows its name, hides the organization links", "org": "name as posted", "banner_text": "plain text, line ends are kept",
 "banner_first": "only the banner and **Continue**: for organizations with sso_links, see above", "password_hidden": "password behind `SSO issues? → Use your password`; name the first sso_link `Sign in`", "sso_links": "same-origin paths",
 "shared_sign_in_url": "used if has_org: the sign-in that knows no organization, on the shared host", "is_filtered": "shows Clear", "search": "value of `q`",
 "choice": "proof that the password was right, short-lived", "is_sent": "neutral confirmation instead of the form", "sent_text": "used if is_sent; same for known and unknown addresses", "again_url": "used if is_sent: link to the empty form",
 "action": "path to POST", "has_token": "false on GET (the token is behind `#`): a visible field that the script fills and hides; true after a refused POST: hidden field", "token": "used if has_token", "button": "label of the button",
 "rules": "of the policy, in order", "rules[].id": "minLength, maxLength, minNumOfBlockLetters, minNumOfSmallLetters, minNumOfDigits, minNumOfSpecialCharacters (`BrokenRule::as_str`): checked while typing; any other id is only listed", "rules[].value": "number of the rule, 0 if none",
 "columns": "in this order: Name, API Key (has_url false), User (only if show_user_column), Expiration Date, Status, Last used", "columns[].url": "sorts by it, the other way if is_sorted; keeps the filters",
 "here": "path and query of this list, posted as `back` by Revoke and Re-activate; accept own paths only", "sort": "current sort and direction, kept by the filter form", "list_url": "path of this list without query", "new_url": "/api-keys/new, with ?for=tenant or the like from the tenant page",
 "is_empty_first": "there is no key at all: replaces filters and table", "is_empty_filter": "nothing matches: replaces the table", "page_text": "as `1 to 25 of 38`", "statuses": "first one `Any status` with an empty value", "can_add": "shows the button",
 "keys[].key_tail": "4 characters, without dots", "keys[].expires_on": "as `14 Jun 2026`", "keys[].expires_in": "as `in 2 days`, `3 days ago`", "keys[].is_urgent": "red", "keys[].is_soon": "amber; never with is_urgent", "keys[].state_url": "POST is_active=true or false", "keys[].status_label": "Active, Revoked, Expired", "keys[].last_use": "as `3 minutes ago`, `never`",
 "users[].name": "two of one name: add the address", "presets": "7, 30, 60, 90 days; on key_edit first one more: value `keep`, label `Keep`, today's expiry", "presets[].value": "posted as `expiry`: 7, 30, 60, 90, keep; `custom` is in the template", "presets[].date_text": "as `12 Jul 2026`", "presets[].result_text": "as `Expires on Sunday, 12 July 2026 at 09:41 UTC, in 30 days`",
 "expires_on": "yyyy-mm-dd or empty", "first_date": "yyyy-mm-dd, the first that may be chosen", "date_hint": "as `The key works until the end of that day, in UTC.`", "result_text": "of what is selected now, or empty",
 "back_url": "path of the list one came from; posted as `back` too", "back_label": "My API Keys or API Keys", "api_key": "the secret", "curl_line": "may have several lines", "done_url": "path of the list", "expiry_text": "as presets[].result_text",
 "users[].roles": "joined by commas, or `none`", "roles[].is_disabled": "for roles one may not grant: a disabled box is not posted, keep what was", "keys_text": "as `3 keys, 2 of them active`", "inherited_roles": "joined by commas",
 "domains": "one a line", "limits[].kind": "apiKey, user, team, role; posted as limit_{kind}", "records[].means": "as `by API key …QeUa`", "records[].datetime": "RFC 3339", "records[].day": "as `12 Jun 2026`", "records[].clock": "as `09:41:07`", "records[].source": "network address, or a dash",
 "csv_url": "with the same filters", "start_date": "yyyy-mm-dd or empty", "end_date": "yyyy-mm-dd or empty", "has_password": "false for people who sign in by SSO only", "has_other_sessions": "shows End all others", "sessions[].device": "as `Firefox on Linux`", "reference": "of the answer",
 "has_error": "of the whole page", "error_text": "used if has_error", "empty_title": "as `You have no API key yet`", "status_label": "Active, Revoked, Expired", "user_name": "whose key or which user it is", "has_inherited": "roles from teams",
}
def load(name):
    text = (T / f"{name}.html").read_text()
    return re.sub(r"{% include \"([a-z_]+)\.html\" %}", lambda m: load(m[1]), re.sub(r"{#.*?#}", "", text, flags=re.S))
def fields(text):
    """name -> type, where a list is a dict of its own"""
    found, scope = {}, []
    for m in re.finditer(r"{%\s*(\w+)\s*(.*?)\s*%}|{{\s*(.*?)\s*}}", text, re.S):
        word, rest, value = m.groups()
        if word == "for":
            var, place = re.match(r"(\w+) in (\S+)", rest).groups()
            scope.append((var, found.setdefault(place, {})))
        elif word == "endfor": scope.pop()
        elif word == "if" or value:
            place, kind = (rest, "bool") if word else (value, "String")
            if "." in place:
                var, field = place.split(".")
                next(d for v, d in reversed(scope) if v == var).setdefault(field, kind)
            else: found.setdefault(place, kind)
    return found
def show(found, skip=()):
    out = []
    for name, kind in found.items():
        if name in skip: continue
        note = NOTES.get(name, "")
        if isinstance(kind, dict):
            out.append(f"- `{name}`: list" + (f" ({note})" if note else "") + ", each with")
            for f, k in kind.items():
                n = NOTES.get(f"{name}[].{f}", "")
                out.append(f"  - `{f}`: {k}" + (f" ({n})" if n else ""))
        else: out.append(f"- `{name}`: {kind}" + (f" ({note})" if note else ""))
    return "\n".join(out) or "- none of its own"
def forms(text):
    out = []
    for m in re.finditer(r"<form([^>]*)>(.*?)</form>", text, re.S):
        method, action = re.search(r'method="(\w+)"', m[1])[1], re.search(r'action="([^"]*)"', m[1])[1]
        names = list(dict.fromkeys(re.findall(r'<(?:input|select|textarea)[^>]*?\sname="([^"]+)"', m[2])))
        line = f"- {method.upper()} `{action}`: {', '.join(names)}"
        if line not in out: out.append(line)
    return out
def main():
    app, door = fields(load("app")), fields(load("door"))
    o = ["# Fields of the templates", "", "Written by `fields.py` from the templates: every field that they read, no other (of the brief's, `key.uid`, `key.is_past` and `key.is_expired` turned out not to be needed). `String` may be any `Display` type, a number too.",
     "A field is needed even where its `has_…` is false; `String::new()` will do. Checkboxes post `true`, or nothing.", "A form that is refused comes back with what was typed and the field errors; what concerns no field goes into the flash with `flash_is_error`.", "",
     "Three rules that the templates rely on:", "",
     "- `form-action 'self'` holds for redirects after a form too: what answers a POST must redirect within the host. So single sign-on starts by links, and the sign-in of an organization that has a host of its own must be posted there.",
     "- A link cannot carry the tick of the banner. Where an organization has both banner and `sso_links`, set `banner_first` until it was acknowledged (POST /sign-in with `acknowledged=true` and no e-mail), then show the page without `has_banner`.",
     "- `back`, `next` and every `…_url` are paths of this host; the server checks what it gets back.", "",
     "Shared pieces: `head`, `icons`, `paging`, `rules`, `role_fields`, `expiry_fields`, `sign_in_fields`, `sent`; their fields are listed with the pages.", "",
     "## app.html: every signed-in page", "", show(app), "", "Forms:", "", *forms(load("app")), "", "## door.html: every signed-out page", "", show(door), ""]
    for name, route in ROUTES.items():
        text = load(name); base = "app" if 'extends "app' in text else "door"
        own = re.sub(r"{% extends .*? %}", "", text)
        o += [f"## {name}.html: {route}", "", f"Fields of {base}.html, and:", "", show(fields(own), app if base == "app" else door), ""]
        if forms(own): o += ["Forms:", "", *forms(own), ""]
    (T.parent / "FIELDS.md").write_text("\n".join(o))
    known = set()
    for name in list(ROUTES) + ["app", "door"]:
        for k, v in fields(load(name)).items():
            known.add(k); known.update(f"{k}[].{f}" for f in (v if isinstance(v, dict) else ()))
    print("notes without field:", [n for n in NOTES if n not in known])
main()
