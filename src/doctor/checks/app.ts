import { VERSION } from "../../package/version.ts";
import type { Check } from "./check.ts";

/** Spendfuse is not on a registry: the tarball of `npm pack` is what is installed. */
const INSTALL = `npm install ./spendfuse-${VERSION}.tgz`;

export const app: Check = {
  name: "app",
  group: "app",
  says: "the folder is an app, its packages are installed, and spendfuse is one of them",
  *check({ manifest, packages, isPlugAndPlay, sources }) {
    if (manifest === undefined) {
      yield {
        id: "package-json-missing",
        level: "fault",
        subject: "package.json",
        says: "there is none here that can be read: this is not the folder of an app",
        fix: "npx spendfuse doctor --dir FOLDER-OF-THE-APP",
      };
      return;
    }
    const subject = `${manifest.name ?? "the app"}${manifest.version ? ` ${manifest.version}` : ""}`;
    const modules = manifest.type === "module" ? "ES modules" : "CommonJS by default";
    const { length } = sources.files;
    const count = `${length}${sources.cut ? " or more" : ""} source file${length === 1 ? "" : "s"}`;
    yield { id: "app", level: "ok", subject, says: `${modules}, ${count} looked at` };
    const own = packages.get("spendfuse");
    if (manifest.name === "spendfuse") {
      yield { id: "spendfuse-version", level: "ok", subject: `spendfuse ${VERSION}`, says: "this is its own folder" };
    } else if (own === undefined) {
      if (isPlugAndPlay) return;
      yield {
        id: "spendfuse-not-installed",
        level: "fault",
        subject: "spendfuse",
        says: "is not installed in this app: there is nothing that could be loaded",
        fix: INSTALL,
      };
    } else if (own.version !== VERSION) {
      yield {
        id: "spendfuse-version-differs",
        level: "note",
        subject: `spendfuse ${own.version}`,
        says: `is what the app loads; this doctor is of ${VERSION}, and may look for other things`,
        fix: "npx --no-install spendfuse doctor",
      };
    } else
      yield { id: "spendfuse-version", level: "ok", subject: `spendfuse ${VERSION}`, says: "installed in the app" };
  },
};
