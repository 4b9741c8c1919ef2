import { VERSION } from "../../package/version.ts";
import { fault, note, ok } from "../finding.ts";
import type { Check } from "./check.ts";

/** Spendfuse is not on a registry: the tarball of `npm pack` is what is installed. */
const INSTALL = `npm install ./spendfuse-${VERSION}.tgz`;

/** The folder is an app, its packages are installed, and spendfuse is one of them. */
export const app: Check = {
  name: "app",
  group: "app",
  *check({ manifest, packages, isPlugAndPlay, sources }) {
    if (manifest === undefined) {
      yield fault(
        "package-json-missing",
        "package.json",
        "there is none here that can be read: this is not the folder of an app",
        "npx spendfuse doctor --dir FOLDER-OF-THE-APP",
      );
      return;
    }
    const subject = `${manifest.name ?? "the app"}${manifest.version ? ` ${manifest.version}` : ""}`;
    const modules = manifest.type === "module" ? "ES modules" : "CommonJS by default";
    const { length } = sources.files;
    const count = `${length}${sources.cut ? " or more" : ""} source file${length === 1 ? "" : "s"}`;
    yield ok("app", subject, `${modules}, ${count} looked at`);
    const own = packages.get("spendfuse");
    if (manifest.name === "spendfuse") {
      yield ok("spendfuse-version", `spendfuse ${VERSION}`, "this is its own folder");
    } else if (own === undefined) {
      if (isPlugAndPlay) return;
      yield fault(
        "spendfuse-not-installed",
        "spendfuse",
        "is not installed in this app: there is nothing that could be loaded",
        INSTALL,
      );
    } else if (own.version !== VERSION) {
      yield note(
        "spendfuse-version-differs",
        `spendfuse ${own.version}`,
        `is what the app loads; this doctor is of ${VERSION}, and may look for other things`,
        "npx --no-install spendfuse doctor",
      );
    } else yield ok("spendfuse-version", `spendfuse ${VERSION}`, "installed in the app");
  },
};
