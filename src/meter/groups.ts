import type { SettledCall } from "../core/call.ts";
import type { Series, SeriesTable } from "../core/series.ts";
import { TOKEN_TYPES, type Usage } from "../core/usage.ts";
import { ATTR } from "../names.ts";
import type { Histogram, Tables, Tags } from "./tables.ts";

/** The series that the calls of one scope, model and quality add to: found once, then added to without a lookup. */
export interface Group {
  addCost(nano: number): void;
  addTokens(usage: Usage): void;
  /** Tokens by the GenAI conventions; no usage counts as 0 tokens of unknown modality. */
  addInference(usage: Usage | undefined): void;
  addCall(call: SettledCall): void;
  /** The series of the duration of calls that ended with this error type, if any. */
  duration(errorType: string | undefined): Series<Tags, Histogram>;
}

/** Groups are only a shortcut to the tables: beyond this many they are forgotten and found again. */
const MAX_GROUPS = 5_000;

const MODALITIES = ["text", "audio", "image", "unknown"] as const;
const TEXT = 0;
const AUDIO = 1;
const IMAGE = 2;
const UNKNOWN = 3;

/** The group of a call for one of the models that served it. */
export type GroupOf = (call: SettledCall, model: string) => Group;

export function createGroups(tables: Tables, instance: () => string, operationOf: (format: string) => string): GroupOf {
  const groups = new Map<string, Group>();
  return (call, model) => {
    const { scope } = call;
    const key = `${scope.agent}\n${scope.rootAgent}\n${scope.team}\n${scope.project}\n${call.provider}\n${model}\n${call.requestModel}\n${call.format}\n${call.quality}`;
    let group = groups.get(key);
    if (group === undefined) {
      if (groups.size >= MAX_GROUPS) groups.clear();
      group = createGroup(tables, spendTags(call, model, instance()), inferenceTags(call, model, operationOf));
      groups.set(key, group);
    }
    return group;
  };
}

function spendTags({ scope, provider, quality }: SettledCall, model: string, instance: string): Tags {
  return {
    agent: scope.agent,
    root_agent: scope.rootAgent,
    ...(scope.team !== undefined && { team: scope.team }),
    ...(scope.project !== undefined && { project: scope.project }),
    provider,
    model,
    quality,
    instance,
  };
}

function inferenceTags(call: SettledCall, model: string, operationOf: (format: string) => string): Tags {
  return {
    [ATTR.operation]: operationOf(call.format),
    [ATTR.provider]: call.provider,
    ...(call.requestModel !== undefined && { [ATTR.requestModel]: call.requestModel }),
    [ATTR.responseModel]: model,
    [ATTR.agent]: call.scope.agent,
  };
}

function createGroup(tables: Tables, spend: Tags, inference: Tags): Group {
  const cost = createColumn(tables.cost.table, () => spend);
  const tokens = createColumn(tables.tokens.table, (type) => ({ ...spend, token_type: TOKEN_TYPES[type]! }));
  const modality = (index: number): Tags => ({ ...inference, [ATTR.modality]: MODALITIES[index]! });
  const inputs = createColumn(tables.inputTokens.table, modality);
  const outputs = createColumn(tables.outputTokens.table, modality);
  const calls = new Map<string, Series<Tags, number>>();
  const durations = new Map<string | undefined, Series<Tags, Histogram>>();

  return {
    addCost: (nano) => cost(0, nano),
    addTokens({ input, output, cacheRead, cacheWrite, reasoning }) {
      tokens(0, input - cacheRead - cacheWrite);
      tokens(1, cacheRead);
      tokens(2, cacheWrite);
      tokens(3, output - reasoning);
      tokens(4, reasoning);
    },
    addInference(usage) {
      if (usage === undefined) {
        inputs(UNKNOWN, 0, true);
        outputs(UNKNOWN, 0, true);
        return;
      }
      const { inputAudio = 0, outputAudio = 0, outputImage = 0 } = usage;
      inputs(TEXT, usage.input - inputAudio);
      inputs(AUDIO, inputAudio);
      outputs(TEXT, usage.output - outputAudio - outputImage);
      outputs(AUDIO, outputAudio);
      outputs(IMAGE, outputImage);
    },
    addCall({ ending, stream, priced }) {
      const key = `${ending} ${stream} ${priced}`;
      let series = calls.get(key);
      if (series === undefined) {
        series = tables.calls.table.open({ ...spend, ending, stream: String(stream), priced });
        calls.set(key, series);
      }
      series.value += 1;
      tables.calls.table.touch(series);
    },
    duration(errorType) {
      let series = durations.get(errorType);
      if (series === undefined) {
        series = tables.durations.open(
          errorType === undefined ? inference : { ...inference, [ATTR.errorType]: errorType },
        );
        durations.set(errorType, series);
      }
      return series;
    },
  };
}

/** The few series of one group in one table; each opens when something first adds to it. */
function createColumn(
  table: SeriesTable<Tags, number>,
  tags: (index: number) => Tags,
): (index: number, amount: number, evenZero?: boolean) => void {
  const opened: (Series<Tags, number> | undefined)[] = [];
  return (index, amount, evenZero = false) => {
    if (amount <= 0 && !evenZero) return;
    let series = opened[index];
    if (series === undefined) {
      series = table.open(tags(index));
      opened[index] = series;
    }
    series.value += amount;
    table.touch(series);
  };
}
