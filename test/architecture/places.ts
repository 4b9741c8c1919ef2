import { filesIn, type Tree } from "./tree.ts";

/** What an instance needs beside its own file and its registry's line, because it cannot be derived from them. */
interface Places {
  /** The files that are instances. */
  readonly of: (tree: Tree) => readonly string[];
  /** Files that have to be there, and texts that a file has to have. */
  readonly needs: (
    name: string,
    source: string,
  ) => readonly (string | { readonly text: string; readonly in: string })[];
}

const PLACES: readonly Places[] = [
  {
    of: (tree) =>
      filesIn(tree, "src/billing/vendors").filter((path) =>
        /^src\/billing\/vendors\/(?!registry\.ts|vendor\.ts)[^/]+$/.test(path),
      ),
    needs: (name, source) => [
      `src/demo/fake-vendor/billing/${name}.ts`,
      `test/billing/vendors/${name}.test.ts`,
      ...[...source.matchAll(/\b(?:variable|urlVariable): "(\w+)"/g)].map(([, text = ""]) => ({
        text,
        in: "docs/billing.md",
      })),
    ],
  },
  {
    of: (tree) =>
      filesIn(tree, "src/meter/wire/gateways").filter(
        (path) => !/\/(?:gateway|host-gateway|registry|served-as)\.ts$/.test(path),
      ),
    needs: (name) => [{ text: `| \`${name}\` |`, in: "docs/gateways.md" }],
  },
  {
    of: (tree) => filesIn(tree, "monitors", ".json"),
    needs: (name) => [`scenarios/${name}.json`, { text: `\`${name}\``, in: "docs/datadog.md" }],
  },
  {
    of: (tree) => filesIn(tree, "scenarios", ".json"),
    needs: (name) => [`monitors/${name}.json`],
  },
  {
    of: (tree) => filesIn(tree, "dashboards", ".json"),
    needs: (_name, source) => {
      const dashboard = JSON.parse(source) as Dashboard;
      const { title } = dashboard;
      const drawn = [...typesIn(dashboard)].map((type) => `src/sandbox/page/widgets/${type.replaceAll("_", "-")}.ts`);
      return title === undefined ? drawn : [{ text: title, in: "docs/datadog.md" }, ...drawn];
    },
  },
  {
    of: (tree) => filesIn(tree, "src/datadog").filter((path) => path === "src/datadog/parameters.ts"),
    needs: (_name, source) =>
      [...source.matchAll(/\bname: "(\w+)",\s*monitor: "(\w+)"/g)].flatMap(([, name, monitor]) => [
        `monitors/${monitor}.json`,
        { text: `| \`${name}\` | \`${monitor}\` |`, in: "docs/datadog.md" },
      ]),
  },
];

interface Dashboard {
  readonly title?: string;
  readonly type?: string;
  readonly widgets?: readonly { readonly definition: Dashboard }[];
}

/** The types of the widgets, which the sandbox's page has to draw; groups it draws itself. */
function typesIn({ widgets = [] }: Dashboard): ReadonlySet<string> {
  const types = widgets.flatMap(({ definition }) =>
    definition.type === "group" ? [...typesIn(definition)] : (definition.type ?? []),
  );
  return new Set(types);
}

/** What is missing where people, or tests, look for an instance: a line each. */
export function missingPlaces(tree: Tree): readonly string[] {
  return PLACES.flatMap(({ of, needs }) =>
    of(tree).flatMap((path) => {
      const name = path.slice(path.lastIndexOf("/") + 1, path.lastIndexOf("."));
      return needs(name, tree.get(path) ?? "").flatMap((need) => {
        if (typeof need === "string") return tree.has(need) ? [] : [`${path} needs ${need}`];
        return tree.get(need.in)?.includes(need.text) ? [] : [`${path} needs "${need.text}" in ${need.in}`];
      });
    }),
  );
}

const NUMBER =
  "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|\\d+";
const COUNTED = new RegExp(
  `\\b(?:${NUMBER}) (?:monitors|dashboards|scenarios|stores|vendors|wire formats|frameworks|lints|checks|widgets|commands|transports)\\b`,
  "gi",
);

/** Hard-coded counts of files in a registry, which go stale. */
export function counts(tree: Tree): readonly string[] {
  return ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...filesIn(tree, "docs", ".md")].flatMap((path) =>
    [...(tree.get(path) ?? "").matchAll(COUNTED)].map(([count]) => `${path} counts ${count}`),
  );
}

const PATH = /(?<![\w./-])(?:src|test|bench)\/[\w./-]*\w/g;
const FILE = /(?<=`)(?:[\w-]+\/)*[\w-]+\.ts(?=`)/g;

/** Paths that the documents of contributors name and that do not exist. A file may be named by the end of its path. */
export function missingPaths(tree: Tree): readonly string[] {
  const paths = [...tree.keys()];
  const exists = (path: string): boolean => tree.has(path) || paths.some((one) => one.startsWith(`${path}/`));
  return ["ARCHITECTURE.md", "CONTRIBUTING.md"].flatMap((document) => {
    const text = tree.get(document) ?? "";
    // Capitals are to be filled in.
    const named = [...text.matchAll(PATH)].map(([path]) => path).filter((path) => !/[A-Z]{2}/.test(path));
    const files = [...text.matchAll(FILE)].map(([file]) => file);
    return [
      ...named.filter((path) => !exists(path)),
      ...files.filter((file) => !paths.some((path) => `/${path}`.endsWith(`/${file}`))),
    ].map((path) => `${document} names ${path}, which does not exist`);
  });
}
