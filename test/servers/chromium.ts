import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
/** A browser that looks for nothing on the network. */
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The browser of this machine, or undefined without one. In CI it has to be there. */
export function findChromium(): string | undefined {
  const found = [process.env.CHROMIUM_PATH, ...PATHS].find((path) => path && existsSync(path));
  if (found === undefined) {
    const message = "Chromium is not installed: the tests of the sandbox's page do not run (apt-get install chromium)";
    if (process.env.CI === "true") throw new Error(message);
    console.warn(message);
  }
  return found;
}

export async function openBrowser(executablePath: string, more: readonly string[] = []): Promise<Browser> {
  return await chromium.launch({ executablePath, args: [...ARGS, ...more] });
}
