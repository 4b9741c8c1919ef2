import { VERSION } from "../../package/version.ts";
import { fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

/** Spendfuse is not published: the tarball of `npm pack` is installed. */
const INSTALL = `npm install ./spendfuse-${VERSION}.tgz`;

/** The folder holds an app, and spendfuse is installed in it. */
export const app: Check = {
  name: "app",
  group: "app",
  *check({ manifest, versions, isPlugAndPlay, sources }) {
    if (manifest === undefined) {
      yield fault(
        "package-json-missing",
        "package.json",
        "is missing or invalid: this is not the folder of an app",
        "npx spendfuse doctor --dir FOLDER-OF-THE-APP",
      );
      return;
    }
    const { name = "the app", version = "", type } = manifest;
    const { length } = sources.files;
    const count = `${length}${sources.cut ? " or more" : ""} source file${length === 1 ? "" : "s"}`;
    const modules = type === "module" ? "ES modules" : "CommonJS by default";
    yield ok("app", `${name} ${version}`.trim(), `${modules}, ${count} searched`);
    const own = versions.get("spendfuse");
    if (name === "spendfuse") yield ok("spendfuse-version", `spendfuse ${VERSION}`, "this is its own folder");
    else if (own === VERSION) yield ok("spendfuse-version", `spendfuse ${VERSION}`, "installed in the app");
    else if (own !== undefined)
      yield note(
        "spendfuse-version-differs",
        `spendfuse ${own}`,
        `is installed in the app, this doctor is ${VERSION}: its checks may not fit`,
        "npx --no-install spendfuse doctor",
      );
    else if (!isPlugAndPlay)
      yield fault("spendfuse-not-installed", "spendfuse", "is not installed in this app", INSTALL);
  },
};
