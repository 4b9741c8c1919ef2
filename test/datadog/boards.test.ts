import { describe, expect, test } from "vitest";
import { METRICS } from "../../src/core/names.ts";
import { readAssets } from "../../src/datadog/assets.ts";
import { withTagVariables } from "../../src/datadog/deploy/wanted.ts";
import { metricsOf, parseExpression } from "../../src/datadog/query/expression.ts";
import { leavesOf } from "../../src/datadog/query/filter.ts";
import { requestsOf, widgetsOf } from "../../src/datadog/widgets.ts";

const OF_SERVICE = ["env", "service", "version"];
/** Of the poller and the breaker, which belong to no service: a choice of one would leave these empty. */
const OF_NO_SERVICE = new Set<string>(
  [
    METRICS.billedCost,
    METRICS.billedMonthToDate,
    METRICS.billedProjection,
    METRICS.billedLag,
    METRICS.meteredMonthToDate,
    METRICS.driftRatio,
    METRICS.ungovernedCost,
    METRICS.pollLag,
    METRICS.breakerArmed,
  ].map(({ name }) => name),
);
/** What one reads on from an agent, and from a root agent. */
const LINKS = ["Agent Spend", "Monitors", "Spans"];

interface Part {
  readonly widget: string;
  readonly metric: string;
  readonly filter: ReturnType<typeof metricsOf>[number]["filter"];
  readonly by: readonly string[];
  readonly variables: readonly string[];
}

function partsOf(json: Parameters<typeof widgetsOf>[0]): readonly Part[] {
  return widgetsOf(json).flatMap((widget) =>
    requestsOf(widget).flatMap(({ queries }) => partsIn(String(widget.definition.title), queries)),
  );
}

function partsIn(widget: string, queries: readonly { readonly query: string }[]): readonly Part[] {
  const own = queries.filter(({ query }) => query.includes("spendfuse."));
  return own.flatMap(({ query }) =>
    metricsOf(parseExpression(query)).map(({ metric, filter, by }) => {
      const variables = leavesOf(filter).flatMap((leaf) => (leaf.type === "variable" ? [leaf.name] : []));
      return { widget, metric, filter, by, variables };
    }),
  );
}

/** Whether a filter leaves refused calls out: by their ending, or by what no refused call has. */
function leavesRefusedOut({ filter }: Part): boolean {
  return leavesOf(filter).some((leaf) => {
    const text = JSON.stringify(leaf);
    return text.includes("ending") || /"priced"/.test(text) || /"quality"/.test(text);
  });
}

const boards = readAssets().filter(({ kind }) => kind === "dashboard");

describe.each(boards.map(({ name, json }) => ({ name, json })))("$name", ({ json }) => {
  const declared = ((json.template_variables ?? []) as readonly { readonly name: string }[]).map(({ name }) => name);
  const parts = partsOf(json);

  test("every query of an app's metrics takes the environment, the service and the version", () => {
    const own = parts.filter(({ metric }) => !OF_NO_SERVICE.has(metric));
    if (own.length > 0) expect(declared).toEqual(expect.arrayContaining(OF_SERVICE));
    const without = own.filter(({ variables }) => !OF_SERVICE.every((name) => variables.includes(name)));
    expect(without.map(({ widget, metric }) => `${widget}: ${metric}`)).toEqual([]);
    const asked = parts.filter(
      ({ metric, variables }) => OF_NO_SERVICE.has(metric) && OF_SERVICE.some((name) => variables.includes(name)),
    );
    expect(asked.map(({ widget, metric }) => `${widget}: ${metric}`)).toEqual([]);
  });

  test("a declared tag is a variable, and in every query of spend", () => {
    const [tagged] = withTagVariables([{ kind: "dashboard", name: "x", file: "x", json }], ["customer"]);
    const spend = new Set<string>([METRICS.cost.name, METRICS.calls.name, METRICS.tokens.name, METRICS.charges.name]);
    const found = partsOf(tagged?.json ?? json).filter(({ metric }) => spend.has(metric));
    expect(found.filter(({ variables }) => !variables.includes("customer")).map(({ widget }) => widget)).toEqual([]);
  });

  test("what is shown by agent or root agent leads to its board, its spans and its monitors", () => {
    const faults = [...widgetsOf(json)].flatMap((widget) => {
      const queries = requestsOf(widget).flatMap((request) => request.queries.map(({ query }) => query));
      const by = new Set(
        queries.flatMap((query) => [...query.matchAll(/by \{([^}]*)\}/g)].flatMap(([, keys = ""]) => keys.split(","))),
      );
      const tag = by.has("agent") ? "agent" : by.has("root_agent") ? "root_agent" : undefined;
      if (tag === undefined) return [];
      const links = (widget.definition.custom_links ?? []) as readonly { label: string; link: string }[];
      const right =
        JSON.stringify(links.map(({ label }) => label).sort()) === JSON.stringify(LINKS) &&
        links.every(({ label, link }) => label === "Agent Spend" || link.includes(`{{${tag}.value}}`));
      return right ? [] : [`${widget.definition.title}, by ${tag}`];
    });
    expect(faults).toEqual([]);
  });

  test("a quotient of calls leaves refused ones out", () => {
    const faults = [...widgetsOf(json)].flatMap((widget) =>
      requestsOf(widget).flatMap(({ formulas, queries }) => {
        if (!formulas.some(({ formula }) => formula.includes("/"))) return [];
        return partsIn(String(widget.definition.title), queries)
          .filter((part) => part.metric === METRICS.calls.name && !leavesRefusedOut(part))
          .map(({ widget: title }) => title);
      }),
    );
    expect(faults).toEqual([]);
  });

  test("a graph of a bill's gauges, or behind a figure of them, does not fall to zero between two polls", () => {
    const faults = [...widgetsOf(json)].flatMap((widget) => {
      const { type, timeseries_background: background, title } = widget.definition;
      if (type !== "timeseries" && background === undefined) return [];
      return requestsOf(widget).flatMap(({ formulas, queries }) => {
        const metrics = partsIn(String(title), queries).map(({ metric }) => metric);
        const bare = formulas.some(({ formula }) => /^default_zero\(\w+\)$/.test(formula));
        return bare && metrics.every((metric) => OF_NO_SERVICE.has(metric)) ? [title] : [];
      });
    });
    expect(faults).toEqual([]);
  });
});
