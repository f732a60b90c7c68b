"""Serves out/ under the strict policy, takes screenshots and runs axe. Usage: shoot.py [--axe] [--only=a,b] [modes...]"""
import sys, threading, http.server, os
from pathlib import Path
from playwright.sync_api import sync_playwright
import axe_playwright_python

HERE = Path(__file__).parent
CSP = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'"

class Handler(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        path = path.split("?")[0].split("#")[0]
        return str(HERE / path.lstrip("/")) if path.startswith("/assets/") else str(HERE / "out" / path.lstrip("/"))
    def end_headers(self):
        self.send_header("Content-Security-Policy", CSP)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()
    def log_message(self, *args): pass

def main():
    args = sys.argv[1:]
    only = next((a[7:].split(",") for a in args if a.startswith("--only=")), None)
    modes = [a for a in args if not a.startswith("--")] or ["1280-light", "1280-dark", "390-light", "390-dark"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    axe = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
    pages = sorted(p.stem for p in (HERE / "out").glob("*.html") if p.stem != "index")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"])
        for mode in modes:
            width, scheme = mode.split("-")
            context = browser.new_context(viewport={"width": int(width), "height": 900 if width == "1280" else 844}, color_scheme=scheme, device_scale_factor=1 if width == "1280" else 2, java_script_enabled="--nojs" not in args)
            page = context.new_page()
            page.on("console", lambda m: m.type in ("error", "warning") and print("CONSOLE", page.url.rsplit("/")[-1], m.text))
            page.on("pageerror", lambda e: print("ERROR", page.url, e))
            for name in pages:
                if only and name not in only: continue
                page.goto(f"{base}/{name}.html")
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                if wide > 0: print("WIDE", mode, name, wide)
                if "--axe" in args:
                    page.evaluate(axe)
                    result = page.evaluate("axe.run({runOnly: ['wcag2a','wcag2aa','wcag21a','wcag21aa','wcag22aa','best-practice']})")
                    for v in result["violations"]:
                        print("AXE", mode, name, v["id"], v["impact"], [n["target"] for n in v["nodes"]][:3], v["nodes"][0]["failureSummary"].splitlines()[1:2])
                if "--noshot" not in args:
                    page.screenshot(path=str(HERE / "shots" / f"{name}-{mode}.png"), full_page=True)
            context.close()
        browser.close()

if __name__ == "__main__":
    os.nice(10)
    os.environ.setdefault('FONTCONFIG_FILE', str(HERE / 'fonts.conf'))
    main()
