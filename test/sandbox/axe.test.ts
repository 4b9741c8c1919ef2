import { expect, test } from "vitest";
import { findChromium, openBrowser } from "../servers/chromium.ts";
import { findWithAxe } from "./axe.ts";

const chromium = findChromium();

test.skipIf(chromium === undefined)("axe finds what is wrong on a page that has it", async () => {
  const browser = await openBrowser(chromium as string);
  try {
    const page = await browser.newPage();
    await page.setContent('<main><img src="data:,"><p style="color:#bbb;background:#fff">pale</p></main>');
    const found = (await findWithAxe(page)).map((line) => line.split(":")[0]);
    expect(found).toEqual(expect.arrayContaining(["image-alt", "color-contrast", "html-has-lang", "document-title"]));
  } finally {
    await browser.close();
  }
});
