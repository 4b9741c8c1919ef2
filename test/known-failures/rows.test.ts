import { existsSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ROWS, type Row } from "./rows.ts";

const PAGE = new URL("../../../shared/reference/known-failures.md", import.meta.url);

/** The first cells of the page's tables, by section, as plain text. */
function readPage(): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  let section = "";
  for (const line of readFileSync(PAGE, "utf8").split("\n")) {
    const heading = /^#{2,3} (\d(?:\.\d)?)/.exec(line)?.[1];
    if (heading !== undefined) section = heading;
    const cell = /^\| (.+?) \|/.exec(line)?.[1]?.replaceAll(/[`*]/g, "");
    if (cell === undefined) continue;
    if (cell === "Defect") section = "1 defects";
    if (["Case", "Defect", "Where"].includes(cell)) continue;
    found.set(section, [...(found.get(section) ?? []), cell]);
  }
  return found;
}

const sections: readonly Row["section"][] = ["1", "1 defects", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6"];

describe.skipIf(!existsSync(PAGE))("the page of known failures", () => {
  test.each(sections)("no row of section %s is missing", (section) => {
    const listed = ROWS.filter((row) => row.section === section).map(({ row }) => row);
    const cells = readPage().get(section) ?? [];
    expect(cells.length).toBeGreaterThan(3);
    expect(listed.map((row, index) => [row, cells[index]?.startsWith(row)])).toEqual(listed.map((row) => [row, true]));
    expect(listed).toHaveLength(cells.length);
    // Where a row is its references, it is listed with all of them.
    if (section.startsWith("2.")) expect(listed).toEqual(cells);
  });
});

test.runIf(!existsSync(PAGE))("known failures unchecked: ../shared/reference is not there", () => {});

describe("every row has its test, or says why a meter has none", () => {
  const sources = new Map<string, string>();
  const sourceOf = (file: string): string => {
    const source = sources.get(file) ?? readFileSync(new URL(file, import.meta.url), "utf8");
    sources.set(file, source);
    return source;
  };

  test.each(ROWS)("$section $row", ({ section, row, test: file, why }) => {
    expect(file ?? why).toBeDefined();
    if (file === undefined) return;
    const source = sourceOf(file);
    if (row === "section 1") expect(source).toContain("section 1: ");
    else if (section === "1") expect(source).toContain(`name: "${row}"`);
    else expect(source).toMatch(new RegExp(`\\(\\s*["']${literally(row)}`));
  });
});

function literally(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
}
