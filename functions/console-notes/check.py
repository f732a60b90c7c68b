"""Drives the script: menus, copy, expiry, rules, token from the address, user search; and pages without script."""
import os, threading, http.server
from pathlib import Path
import shoot
from playwright.sync_api import sync_playwright
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), shoot.Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_port}"
with sync_playwright() as p:
    b = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
    c = b.new_context(viewport={"width": 1280, "height": 900}); c.grant_permissions(["clipboard-read", "clipboard-write"])
    g = c.new_page(); errors = []
    g.on("pageerror", lambda e: errors.append(str(e))); g.on("console", lambda m: m.type == "error" and errors.append(m.text))
    g.goto(base + "/keys.html")
    g.click("tbody tr:nth-child(3) summary"); g.click("tbody tr:nth-child(2) summary")
    assert g.locator(".menu[open]").count() == 1
    g.screenshot(path="shots/menu-row-1280-light.png")
    g.keyboard.press("Escape"); assert g.locator(".menu[open]").count() == 0
    assert g.evaluate("document.activeElement.tagName") == "SUMMARY"
    g.click(".user-menu summary"); g.screenshot(path="shots/menu-user-1280-light.png"); g.click("h1"); assert g.locator(".menu[open]").count() == 0
    g.goto(base + "/keys.html"); g.keyboard.press("Tab"); assert g.evaluate("document.activeElement.className") == "skip"
    g.goto(base + "/key-created.html"); g.click("[data-copy=api-key]"); g.wait_for_timeout(100)
    assert g.evaluate("navigator.clipboard.readText()").startswith("lk_"), 1
    assert g.inner_text("[data-copy=api-key]").strip() == "Copied" and g.inner_text("#copied")
    g.click("[data-copy=curl]"); g.wait_for_timeout(100); assert g.evaluate("navigator.clipboard.readText()").startswith("curl")
    g.goto(base + "/key-new-admin.html")
    assert not g.is_visible("#expires_on")
    g.check("[value='90']", force=True); assert "10 September" in g.inner_text("output")
    g.check("[value=custom]", force=True); assert g.is_visible("#expires_on") and g.inner_text("output") == ""
    g.fill("#expires_on", "2027-01-02"); assert g.inner_text("output") == "Expires on Saturday, 2 January 2027", g.inner_text("output")
    g.screenshot(path="shots/key-new-custom-1280-light.png")
    g.fill(".search-first", "mei"); assert g.locator("#user option").count() == 1 and g.input_value("#user") == "2"
    g.goto(base + "/set-password.html#aB-c_9"); assert g.input_value("#token") == "aB-c_9" and not g.is_visible("#token") and "#" not in g.url
    g.fill("#password", "Abcdefg1"); met = g.eval_on_selector_all(".rules .met", "l => l.map(e => e.dataset.rule)"); assert met == ["maxLength", "minNumOfBlockLetters", "minNumOfSmallLetters", "minNumOfDigits"], met
    g.click(".reveal-box button"); assert g.get_attribute("#password", "type") == "text"
    g.screenshot(path="shots/set-password-typing-1280-light.png")
    g.fill("#password", ""); assert g.locator(".rules .met").count() == 0
    g.goto(base + "/profile.html"); g.fill("#password", "a"); g.fill("#password_again", "b"); assert g.evaluate("!password_again.validity.valid"); g.fill("#password_again", "a"); assert g.evaluate("password_again.validity.valid")
    # every focusable thing shows where the focus is, and is 24 px high at least
    for name in ("keys", "users", "settings", "audit", "profile", "sign-in", "switch", "key-new"):
        for width in (1280, 390):
            g.set_viewport_size({"width": width, "height": 900}); g.goto(f"{base}/{name}.html"); g.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            small = g.evaluate("""[...document.querySelectorAll('a,button,summary,input:not([type=hidden]),select,textarea')].filter(e => e.checkVisibility() && !e.closest('.skip') && !['checkbox','radio'].includes(e.type))
              .map(e => [e.outerHTML.slice(0,60), e.getBoundingClientRect()]).filter(([h, r]) => r.height < 24 || r.width < 24).map(([h, r]) => `${h} ${r.width}x${r.height}`)""")
            if small: print("SMALL", name, width, small[:4])
    c2 = b.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844}); g = c2.new_page()
    g.goto(base + "/key-created.html"); assert not g.is_visible("[data-copy=api-key]")
    g.goto(base + "/set-password.html#abc"); assert g.is_visible("#token")
    g.goto(base + "/keys.html"); g.click("tbody tr:first-child summary"); assert g.is_visible("text=Revoke >> nth=0"); g.screenshot(path="shots/menu-row-390-light.png")
    g.click(".user-menu summary"); g.screenshot(path="shots/menu-user-390-light.png")
    import axe_playwright_python
    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
    for scheme in ("light", "dark"):
        g = b.new_context(color_scheme=scheme, viewport={"width": 1280, "height": 900}).new_page()
        for name in ("keys", "users", "settings-errors", "sign-in-sso", "key-new-errors"):
            g.goto(f"{base}/{name}.html"); g.evaluate("document.querySelectorAll('details').forEach((d, i) => { d.removeAttribute('name'); d.open = !d.matches('.menu') || i < 2 })"); g.evaluate(axe)
            r = g.evaluate("axe.run({runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})")
            print("axe, opened", scheme, name, len(r["passes"]), "passes", [v["id"] for v in r["violations"]], [i["id"] for i in r["incomplete"]])
    print("errors", errors)
    b.close()
