import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { ROOT } from "./tarball.ts";

/** A file of the repository by its address, and as itself: what a page outside of the repository shows as a picture. */
const REPOSITORY =
  /^https:\/\/(?:github\.com\/spendfuse\/spendfuse\/blob|raw\.githubusercontent\.com\/spendfuse\/spendfuse)\/HEAD\//;
const LINK = /(!?)\[[^\]]*\]\(([^)\s]+)\)/g;

/**
 * Links of a Markdown file that lead nowhere once it is read on npm, or unpacked from the tarball: relative ones to what
 * the tarball lacks, pictures that are not absolute, and files that the repository lacks. Each with what is wrong.
 */
export function brokenLinks(path: string, shipped: ReadonlySet<string>): readonly string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  return [...text.matchAll(LINK)].flatMap(([, picture, target = ""]) => {
    const [address = ""] = target.split("#");
    if (REPOSITORY.test(address)) {
      return existsSync(join(ROOT, address.replace(REPOSITORY, ""))) ? [] : [`${path}: no such file: ${target}`];
    }
    if (address === "" || /^https?:/.test(address)) return [];
    if (picture) return [`${path}: npm shows no relative picture: ${target}`];
    const file = posix.join(posix.dirname(path), address);
    return shipped.has(file) ? [] : [`${path}: not in the tarball: ${target}`];
  });
}
