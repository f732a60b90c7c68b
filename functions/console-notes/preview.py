"""Renders every template with sample data into out/, refusing whatever askama would not understand."""
import re, shutil, sys
from pathlib import Path
from types import SimpleNamespace as NS
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
TEMPLATES, OUT = HERE / "templates", HERE / "out"

def ns(value):
    if isinstance(value, dict): return NS(**{k: ns(v) for k, v in value.items()})
    if isinstance(value, list): return [ns(v) for v in value]
    return value

def lint():
    place = r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?"
    tags = [rf"extends \"[a-z_]+\.html\"", rf"include \"[a-z_]+\.html\"", r"block [a-z]+", "endblock", rf"if {place}", "else", "endif", rf"for [a-z_]+ in {place}", "endfor"]
    bad = []
    for file in sorted(TEMPLATES.glob("*.html")):
        text = file.read_text()
        for tag in re.findall(r"{%(.*?)%}", text, re.S):
            if not any(re.fullmatch(t, tag.strip()) for t in tags): bad.append(f"{file.name}: tag {tag}")
        for expr in re.findall(r"{{(.*?)}}", text, re.S):
            if not re.fullmatch(place, expr.strip()): bad.append(f"{file.name}: value {expr}")
        plain = re.sub(r"{#.*?#}", "", text, flags=re.S)
        for pattern in (r"\sstyle\s*=", r"<style", r"<script(?! src)", r"\son[a-z]+\s*=", r"https?://", r"javascript:", r"data:[a-z]"):
            for hit in re.findall(pattern, plain): bad.append(f"{file.name}: {hit}")
        if "extends \"app.html\"" in text:
            for form in re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.S):
                if 'name="csrf"' not in form: bad.append(f"{file.name}: form without csrf: {form[:80]}")
    return bad

APP = dict(csrf="c5f1", person_name="Ines Alba", person_email="ines@northwind.example", org_name="northwind", is_admin=True,
           nav_keys=False, nav_tenant_keys=False, nav_users=False, nav_settings=False, nav_audit=False,
           has_flash=False, flash_text="", flash_is_error=False, has_undo=False, undo_action="", undo_label="")
DOOR = dict(has_error=False, error_text="", has_notice=False, notice_text="")

def flash(text, error=False, undo=False):
    return dict(has_flash=True, flash_text=text, flash_is_error=error, has_undo=undo, undo_action="/api-keys/1/state", undo_label="Undo")

NAMES = ["Ines Alba", "Tomás Okafor", "Mei Lindqvist", "Jonas Weber", "Priya Natarajan", "Build Farm", "Sam O’Neill", "Ada Kowalczyk", "Luca Ferri"]
USERS = [dict(uid=str(i), name=n, is_selected=i == 0) for i, n in enumerate(NAMES)]

def key(name, description, user, on, rel, state, use, tail, urgent=False, soon=False):
    return dict(uid=tail, name=name, description=description, has_description=bool(description), user_name=user, expires_on=on, expires_in=rel,
                is_urgent=urgent, is_soon=soon, is_past=state == "Expired",
                status_label=state, is_active=state == "Active", is_revoked=state == "Revoked", is_expired=state == "Expired",
                last_use=use, key_tail=tail, edit_url="/api-keys/1/edit", state_url="/api-keys/1/state", delete_url="/api-keys/1/delete",
                can_revoke=state == "Active", can_reactivate=state == "Revoked")

KEYS = [key("ci-deploy", "Used by the build farm", "Ines Alba", "14 Jun 2026", "in 2 days", "Active", "3 minutes ago", "QeUa", urgent=True),
        key("terraform", "", "Ines Alba", "24 Jun 2026", "in 12 days", "Active", "yesterday", "x0Lm", soon=True),
        key("nightly-backup", "Snapshots of the staging clusters, every night at two", "Ines Alba", "10 Aug 2026", "in 59 days", "Active", "9 hours ago", "7Rbd"),
        key("grafana", "Read-only dashboards", "Ines Alba", "10 Sep 2026", "in 90 days", "Active", "never", "Pq2Z"),
        key("laptop", "", "Ines Alba", "1 Sep 2026", "in 81 days", "Revoked", "12 May 2026", "mK41"),
        key("hackathon", "One weekend only", "Ines Alba", "9 Jun 2026", "3 days ago", "Expired", "8 Jun 2026", "0wZt")]
TENANT_KEYS = [dict(k, user_name=NAMES[i % 6]) for i, k in enumerate(KEYS)]
STATUSES = [dict(value=v, label=l, is_selected=not v) for v, l in (("", "Any status"), ("active", "Active"), ("revoked", "Revoked"), ("expired", "Expired"))]

def columns(user):
    rows = [("Name", True), ("API Key", False)] + ([("User", True)] if user else []) + [("Expiration Date", True), ("Status", True), ("Last used", True)]
    return [dict(label=l, has_url=u, url="?sort=x", is_sorted=l == "Expiration Date", is_descending=False) for l, u in rows]

PAGING = dict(has_previous=False, previous_url="", has_next=True, next_url="?page=2", page_text="1 to 6 of 38")

def keys(**change):
    base = dict(APP, title="My API Keys", intro="Keys that let scripts and services call the API in your name.", nav_keys=True, can_add=True, new_url="/api-keys/new", list_url="/api-keys", here="/api-keys?q=",
                is_empty_first=False, is_empty_filter=False, empty_title="You have no API key yet", show_user_filter=False, show_user_column=False, users=[], statuses=STATUSES, search="", sort="expires_at", is_filtered=False,
                columns=columns(False), keys=KEYS, **PAGING)
    return dict(base, **change)

def tenant_keys(**change):
    return keys(**dict(dict(title="API Keys", intro="Every key of northwind, whoever it belongs to.", nav_keys=False, nav_tenant_keys=True, show_user_filter=True, show_user_column=True,
                users=[dict(u, is_selected=False) for u in USERS], columns=columns(True), keys=TENANT_KEYS, list_url="/tenant/api-keys"), **change))

EXPIRY = dict(presets=[dict(value=str(d), label=f"{d} days", date_text=t, result_text=f"Expires on {w} at 09:41 UTC, in {d} days", is_selected=d == 30)
                       for d, t, w in ((7, "19 Jun 2026", "Friday, 19 June 2026"), (30, "12 Jul 2026", "Sunday, 12 July 2026"), (60, "11 Aug 2026", "Tuesday, 11 August 2026"), (90, "10 Sep 2026", "Thursday, 10 September 2026"))],
              custom_is_selected=False, expires_on="", first_date="2026-06-13", date_hint="The key works until the end of that day, in UTC.",
              has_expiry_error=False, expiry_error="", result_text="Expires on Sunday, 12 July 2026 at 09:41 UTC, in 30 days")
FIELD = lambda *names: {k: v for n in names for k, v in ((f"has_{n}_error", False), (f"{n}_error", ""))}

def key_new(**change):
    return dict(dict(APP, **EXPIRY, **FIELD("name", "description", "user"), title="Add New API Key", nav_keys=True, back_url="/api-keys", back_label="My API Keys", name="", description="", show_user=False, users=[]), **change)

RULES = [dict(id=i, text=t, value=v) for i, t, v in (("minLength", "At least 12 characters", 12), ("maxLength", "At most 64 characters", 64), ("minNumOfBlockLetters", "A capital letter", 1), ("minNumOfSmallLetters", "A small letter", 1), ("minNumOfDigits", "A digit", 1), ("minNumOfSpecialCharacters", "A special character", 1))]
SSO = [dict(name="Continue with GitHub", url="/sso/github"), dict(name="Continue with Google", url="/sso/google")]

def sign_in(**change):
    return dict(dict(DOOR, title="Sign in", has_org=False, org_name="", org="", next="/api-keys", email="", sign_up_open=True, shared_sign_in_url="/sign-in", has_banner=False, banner_title="", banner_text="", banner_first=False, has_sso=True, sso_links=SSO, password_hidden=False), **change)

def sent(**change):
    return dict(dict(DOOR, is_sent=True, email="", sent_text="", again_url="/forgot-password"), **change)

def sign_up(**change):
    return dict(dict(DOOR, **FIELD("first_name", "last_name", "email", "org"), title="Sign up", is_sent=False, sent_text="", again_url="/sign-up", first_name="", last_name="", email="", org="", has_sso=True, sso_links=SSO), **change)

def set_password(**change):
    return dict(dict(DOOR, title="Set your password", intro="It opens every organization that you belong to.", action="/activate", button="Set password and come in", has_token=False, token="", has_password_error=False, password_error="", rules=RULES), **change)

def user(i, roles, state, last, self=False):
    n = NAMES[i]
    return dict(uid=str(i), name=n, email=n.split()[0].lower().replace("á", "a") + "@northwind.example", roles=roles, status_label=state, is_active=state == "Active", is_invited=state == "Invited", is_disabled=state == "Disabled", last_sign_in=last, is_self=self,
                keys_url="/tenant/api-keys?user=1", roles_url="/r", reset_url="/p", state_url="/s", delete_url="/d", can_edit=True, can_disable=state == "Active" and not self, can_enable=state == "Disabled", can_delete=not self)

def users(**change):
    return dict(dict(APP, **PAGING, title="Users", intro="Who may work in northwind, and as what.", nav_users=True, can_add=True, statuses=[dict(value="", label="Any status", is_selected=True), dict(value="active", label="Active", is_selected=False), dict(value="invited", label="Invited", is_selected=False), dict(value="disabled", label="Disabled", is_selected=False)],
                search="", is_filtered=False, is_empty_filter=False, here="/tenant/users",
                users=[user(0, "Tenant Admin", "Active", "today, 09:12", True), user(1, "Tenant User Admin", "Active", "yesterday"), user(2, "Tenant Viewer", "Active", "3 Jun 2026"), user(3, "none", "Invited", "never"), user(6, "Tenant Viewer, Tenant User Admin", "Disabled", "2 Feb 2026")]), **change)

ROLES = [dict(uid=str(i), name=n, description=d, is_checked=i == 1, is_disabled=i == 0 and False) for i, (n, d) in enumerate((("Tenant Admin", "May do everything, settings included"), ("Tenant User Admin", "Manages users and everybody’s API keys, reads the audit logs"), ("Tenant Viewer", "Sees everything, changes nothing")))]

SETTINGS = dict(APP, title="Settings", nav_settings=True, **FIELD("policy", "session", "banner", "domains", "limits"), min_length=12, max_length=64, min_upper=1, min_lower=1, min_digits=1, min_special=1, expiry_days=365, first_reminder_days=5, is_regex=False, regex="",
                session_minutes=240, banner_enabled=True, banner_title="Authorized use only", banner_message="This system belongs to Northwind Traders.\nWhat you do here is recorded.", github_enabled=True, google_enabled=False, domains="northwind.example\nnorthwind.dev", notify_admins=True,
                limits=[dict(kind=k, label=l, limit=n, max_limit=m) for k, l, n, m in (("apiKey", "API Keys per user", 20, 20), ("user", "Users", 300, 300), ("team", "Teams", 100, 100), ("role", "Roles", 100, 100))])

def record(what, details, who, means, name, label, source, day, clock):
    return dict(what=what, details=details, who=who, has_means=bool(means), means=means, resource_name=name, resource_label=label, source=source, datetime="2026-06-12T09:41:07Z", day=day, clock=clock)

def audit(**change):
    option = lambda *pairs: [dict(value=v, label=l, is_selected=not v) for v, l in pairs]
    return dict(dict(APP, **PAGING, **FIELD("dates"), title="Audit Logs", nav_audit=True, csv_url="/tenant/audit.csv", action_types=option(("", "Any"), ("create", "Create"), ("update", "Update"), ("delete", "Delete"), ("activity", "Activity")), resource_types=option(("", "Any"), ("apiKey", "API Key"), ("user", "User"), ("session", "Session")),
                start_date="2026-06-01", end_date="", is_filtered=True, is_empty=False,
                records=[record("API key created", "Key ci-deploy created for Ines Alba, until 12 July 2026", "Ines Alba", "by password", "ci-deploy", "API Key", "203.0.113.24", "12 Jun 2026", "09:41:07"),
                         record("Sign-in refused", "Wrong password", "somebody", "", "tomas@northwind.example", "User", "2001:db8:85a3::8a2e:370:7334", "12 Jun 2026", "08:15:50"),
                         record("Roles changed", "Tenant Viewer → Tenant User Admin", "Ines Alba", "by password", "Tomás Okafor", "User", "203.0.113.24", "11 Jun 2026", "17:02:33"),
                         record("API key revoked", "Key laptop revoked", "Build Farm", "by API key …QeUa", "laptop", "API Key", "198.51.100.7", "11 Jun 2026", "16:58:01"),
                         record("API key expired", "Key hackathon reached its end", "Latchkey", "", "hackathon", "API Key", "", "9 Jun 2026", "00:00:00")]), **change)

def profile(**change):
    return dict(dict(APP, **FIELD("first_name", "last_name", "current_password", "password", "password_again"), title="My Profile", first_name="Ines", last_name="Alba", roles_text="Tenant Admin", has_password=True, rules=RULES, has_other_sessions=True,
                sessions=[dict(uid="1", device="Firefox on Linux", address="203.0.113.24", started="today, 09:12", last_used="now", is_current=True),
                          dict(uid="2", device="Safari on iPhone", address="2001:db8:85a3::8a2e:370:7334", started="9 Jun 2026", last_used="2 hours ago", is_current=False),
                          dict(uid="3", device="An API client", address="198.51.100.7", started="8 Jun 2026", last_used="yesterday", is_current=False)]), **change)

LONG = "W" * 64
SCRIPT = '"><script>alert(1)</script>\'{{ 7*7 }}'
VALUE = "lk_" + "4fKq2ZpV0sXw9LmB4nTyHc6JdGf1QeUa7RbdmK41x0LmPq2Z0wZt8sVnY3hJc5TgE"
CREATED = dict(APP, title="API key generated", nav_keys=True, key_name="ci-deploy", api_key=VALUE, user_name="Ines Alba", expiry_text="Expires on Sunday, 12 July 2026 at 09:41 UTC, in 30 days",
               curl_line=f"curl -X POST https://api.latchkey.example/v1/auth/authenticate \\\n  -H 'ApiKey: {VALUE}'", done_url="/api-keys")
FACTS = dict(key_tail="QeUa", user_name="Ines Alba", back_url="/api-keys", back_label="My API Keys")

PAGES = {
    "sign-in": ("sign_in", sign_in()),
    "sign-in-error": ("sign_in", sign_in(has_error=True, error_text="The e-mail or the password is wrong. After five failures in a row you have to wait.", email="ines@northwind.example", has_org=True, org="northwind", org_name="northwind", has_sso=False, sso_links=[])),
    "sign-in-sso": ("sign_in", sign_in(has_org=True, org="fabrikam", org_name="fabrikam", password_hidden=True, sso_links=[dict(name="Sign in", url="/sso")])),
    "sign-in-banner": ("sign_in", sign_in(has_org=True, org="northwind", org_name="northwind", has_banner=True, banner_title="Authorized use only", banner_text=SETTINGS["banner_message"], has_sso=False, sso_links=[])),
    "sign-in-banner-first": ("sign_in", sign_in(has_org=True, org="northwind", org_name="northwind", has_banner=True, banner_first=True, banner_title="Authorized use only", banner_text=SETTINGS["banner_message"])),
    "choose-organization": ("choose_organization", dict(DOOR, title="Choose an organization", choice="t", next="/", organizations=[dict(org="northwind", name="northwind"), dict(org="fabrikam", name="fabrikam")])),
    "organization": ("organization", dict(DOOR, title="Sign in to your organization", org="")),
    "organization-error": ("organization", dict(DOOR, title="Sign in to your organization", org="nort", has_error=True, error_text="There is no organization of this name.")),
    "forgot-organization": ("forgot_organization", sent(title="Forgot your organization name?", is_sent=False)),
    "forgot-organization-sent": ("forgot_organization", sent(title="Check your mail", sent_text="If ines@northwind.example belongs to an organization, a mail with the names is on its way.", again_url="/forgot-organization")),
    "forgot-password": ("forgot_password", sent(title="Forgot password?", is_sent=False)),
    "forgot-password-sent": ("forgot_password", sent(title="Check your mail", sent_text="If there is an account for ines@northwind.example, a mail with a link is on its way.")),
    "sign-up": ("sign_up", sign_up()),
    "sign-up-errors": ("sign_up", dict(sign_up(first_name="Ines", last_name="Alba", email="ines@", org="www", has_email_error=True, email_error="This is not an e-mail address.", has_org_error=True, org_error="This name is reserved. Choose another one."))),
    "sign-up-sent": ("sign_up", sign_up(title="Check your mail", is_sent=True, sent_text="A mail to ines@northwind.example is on its way. Its link lets you set a password and come in.")),
    "set-password": ("set_password", set_password()),
    "set-password-error": ("set_password", set_password(title="Set another password", action="/reset", button="Set password", has_token=True, token="abc", has_password_error=True, password_error="This password is too easy to guess.")),
    "keys": ("keys", keys(**flash("“laptop” is revoked. Requests with it are refused from now on.", undo=True))),
    "keys-user": ("keys", keys(is_admin=False, has_next=False, page_text="1 to 6 of 6")),
    "keys-empty": ("keys", keys(is_empty_first=True, keys=[], is_admin=False)),
    "keys-no-match": ("keys", keys(is_empty_filter=True, is_filtered=True, search="grafna", keys=[])),
    "tenant-keys": ("keys", tenant_keys(has_previous=True, previous_url="?page=1", is_filtered=True)),
    "keys-hostile": ("keys", tenant_keys(org_name=LONG, person_name=SCRIPT, keys=[dict(TENANT_KEYS[0], name=LONG, description=SCRIPT, user_name=LONG)], **flash(SCRIPT, error=True))),
    "key-new": ("key_new", key_new()),
    "key-new-admin": ("key_new", key_new(show_user=True, users=USERS, nav_keys=False, nav_tenant_keys=True, back_url="/tenant/api-keys", back_label="API Keys")),
    "key-new-errors": ("key_new", key_new(show_user=True, users=USERS, name="ci-deploy", has_name_error=True, name_error="Ines Alba has a key of this name already.", presets=[dict(p, is_selected=False) for p in EXPIRY["presets"]], custom_is_selected=True, expires_on="2026-06-01", has_expiry_error=True, expiry_error="Choose a date in the future.", result_text="", **flash("The key was not generated. See below.", error=True))),
    "key-created": ("key_created", CREATED),
    "key-edit": ("key_edit", dict(APP, **dict(EXPIRY, presets=[dict(value="keep", label="Keep", date_text="14 Jun 2026", result_text="Expires on Sunday, 14 June 2026 at 09:41 UTC, in 2 days", is_selected=True)] + [dict(p, is_selected=False) for p in EXPIRY["presets"]], result_text="Expires on Sunday, 14 June 2026 at 09:41 UTC, in 2 days"), **FIELD("name", "description"), **FACTS, title="Edit ci-deploy", nav_keys=True, action="/api-keys/1/edit", status_label="Active", name="ci-deploy", description="Used by the build farm")),
    "key-delete": ("key_delete", dict(APP, **FACTS, title="Delete ci-deploy?", nav_keys=True, action="/api-keys/1/delete", name="ci-deploy", last_use="3 minutes ago")),
    "users": ("users", users(**flash("An invitation to jonas@northwind.example is on its way."))),
    "users-no-match": ("users", users(is_empty_filter=True, is_filtered=True, users=[], search="zz")),
    "user-new": ("user_new", dict(APP, **FIELD("first_name", "last_name", "email", "roles"), title="Create User", nav_users=True, first_name="", last_name="", email="", roles=ROLES)),
    "user-roles": ("user_roles", dict(APP, **FIELD("roles"), title="Roles", nav_users=True, action="/tenant/users/1/roles", user_name="Tomás Okafor", user_email="tomas@northwind.example", roles=ROLES, has_inherited=True, inherited_roles="Tenant Viewer")),
    "user-delete": ("user_delete", dict(APP, title="Delete User", nav_users=True, action="/tenant/users/1/delete", user_name="Tomás Okafor", user_email="tomas@northwind.example", keys_text="3 keys, 2 of them active")),
    "user-reset": ("user_reset", dict(APP, title="Reset password", nav_users=True, action="/tenant/users/1/reset", user_name="Tomás Okafor", user_email="tomas@northwind.example")),
    "settings": ("settings", SETTINGS),
    "settings-errors": ("settings", dict(SETTINGS, has_policy_error=True, policy_error="The minimum length must not be above the maximum length.", has_session_error=True, session_error="Choose 15 to 1440 minutes.", has_domains_error=True, domains_error="fabrikam.example belongs to another organization.", is_regex=True, regex="^.{12,}$")),
    "audit": ("audit", audit()),
    "audit-empty": ("audit", audit(is_empty=True, records=[], has_dates_error=True, dates_error="The end lies before the start.")),
    "profile": ("profile", profile()),
    "switch": ("switch", dict(APP, title="Switch Tenant", tenants=[dict(org="northwind", name="northwind", is_current=True), dict(org="fabrikam", name="fabrikam", is_current=False), dict(org="contoso", name="contoso", is_current=False)])),
    "error": ("error", dict(DOOR, title="There is no such page", text="It may have been deleted, or you may not be allowed to see it.", has_reference=True, reference="6a0f1c2b3d4e", link_url="/", link_label="To the console")),
}

def main():
    bad = lint()
    env = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    for name, (template, context) in PAGES.items():
        html = env.get_template(template + ".html").render(ns(context).__dict__)
        (OUT / f"{name}.html").write_text(html)
        if html.count("<h1") != 1: bad.append(f"{name}: {html.count('<h1')} h1")
    (OUT / "index.html").write_text("<!doctype html><title>Pages</title><ul>" + "".join(f"<li><a href='/{n}.html'>{n}</a>" for n in PAGES) + "</ul>")
    print(f"{len(PAGES)} pages; css {(HERE / 'assets/console.css').stat().st_size}, js {(HERE / 'assets/console.js').stat().st_size} bytes")
    for line in bad: print("BAD", line)
    return bool(bad)

if __name__ == "__main__":
    sys.exit(main())
