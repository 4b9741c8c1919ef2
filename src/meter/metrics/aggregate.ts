import { setBounded } from "../../core/bounded-map.ts";
import type { CallPart, SettledCall } from "../../core/call.ts";
import { ATTR } from "../../core/names.ts";
import type { Scope } from "../../core/scope.ts";
import { boundTags, type TagBounds, writeTags } from "../../core/tags/tags.ts";
import { TOKEN_TYPES, type Usage } from "../../core/usage.ts";
import * as registry from "../wire/formats/registry.ts";
import type { Series, SeriesTable } from "./bounded-series.ts";
import type { Histogram, Tables, Tags } from "./tables.ts";

/**
 * The series that the calls of one scope, model and quality add to, found once. Plain and small, because there is one
 * for every agent, even for those that fold together.
 */
export interface Group {
  cost: Opened;
  readonly calls: Map<string, Series<Tags, number>>;
  readonly durations: Map<string | undefined, Series<Tags, Histogram>>;
  /** By the order of {@link TOKEN_TYPES}. */
  readonly tokens: Opened[];
  /** By the order of {@link MODALITIES}. */
  readonly inputs: Opened[];
  readonly outputs: Opened[];
}

type Opened = Series<Tags, number> | undefined;

/** The groups of one process, and the tables that they add to. */
export interface Groups {
  readonly processName: () => string;
  /** Which values of tags are shown. */
  readonly bounds: TagBounds;
  readonly costs: SeriesTable<Tags, number>;
  readonly calls: SeriesTable<Tags, number>;
  readonly tokens: SeriesTable<Tags, number>;
  readonly inputs: SeriesTable<Tags, number>;
  readonly outputs: SeriesTable<Tags, number>;
  readonly durations: SeriesTable<Tags, Histogram>;
  readonly byKey: Map<string, Group>;
  /** The group found last: consecutive calls are often of the same kind, and then need no key. */
  last: { readonly call: SettledCall; readonly model: string; readonly group: Group } | undefined;
}

/** Groups are only a shortcut to the tables: beyond this many they are forgotten and found again. */
const MAX_GROUPS = 10_000;

const MODALITIES = ["text", "audio", "image", "unknown"] as const;
const TEXT = 0;
const AUDIO = 1;
const IMAGE = 2;
const UNKNOWN = 3;

export function createGroups(tables: Tables, processName: () => string, bounds: TagBounds): Groups {
  return {
    processName,
    bounds,
    costs: tables.cost.table,
    calls: tables.calls.table,
    tokens: tables.tokens.table,
    inputs: tables.inputTokens.table,
    outputs: tables.outputTokens.table,
    durations: tables.durations,
    byKey: new Map(),
    last: undefined,
  };
}

/** The group of a call for one of the models that served it. */
export function groupOf(groups: Groups, call: SettledCall, model: string): Group {
  const { last } = groups;
  const { scope } = call;
  const before = last?.call;
  if (
    last !== undefined &&
    before?.scope === scope &&
    last.model === model &&
    before.quality === call.quality &&
    (before.priced === "plan") === (call.priced === "plan") &&
    before.provider === call.provider &&
    before.requestModel === call.requestModel &&
    before.format === call.format
  ) {
    return last.group;
  }
  const plain = `${scope.agent}\n${scope.rootAgent}\n${scope.team}\n${scope.project}\n${call.provider}\n${model}\n${call.requestModel}\n${call.format}\n${call.quality}${call.priced === "plan" ? "\n\n" : ""}`;
  const key = scope.tags === undefined ? plain : `${plain}\n${writeTags(boundTags(groups.bounds, scope))}`;
  let group = groups.byKey.get(key);
  if (group === undefined) {
    group = { cost: undefined, calls: new Map(), durations: new Map(), tokens: [], inputs: [], outputs: [] };
    setBounded(groups.byKey, key, group, MAX_GROUPS);
  }
  groups.last = { call, model, group };
  return group;
}

export function addCall(groups: Groups, group: Group, call: SettledCall): void {
  const key = `${call.ending} ${call.stream} ${call.priced}`;
  const series = group.calls.get(key) ?? openCall(groups, group, call, key);
  series.value += 1;
  if (!series.changed) groups.calls.touch(series);
}

/** Adds money and tokens. `group` is that of `call` and `part.model`. */
export function addPart(groups: Groups, group: Group, call: SettledCall, { model, usage, costNano }: CallPart): void {
  if (costNano !== undefined && costNano > 0) {
    const series = group.cost ?? openCost(groups, group, call, model);
    series.value += costNano;
    if (!series.changed) groups.costs.touch(series);
  }
  const { input, output, cacheRead, cacheWrite, reasoning } = usage;
  const uncached = input - cacheRead - cacheWrite;
  if (uncached > 0) addTokens(groups, group, call, model, 0, uncached);
  if (cacheRead > 0) addTokens(groups, group, call, model, 1, cacheRead);
  if (cacheWrite > 0) addTokens(groups, group, call, model, 2, cacheWrite);
  if (output > reasoning) addTokens(groups, group, call, model, 3, output - reasoning);
  if (reasoning > 0) addTokens(groups, group, call, model, 4, reasoning);
}

/** Adds tokens by the GenAI conventions; no usage counts as 0 tokens of unknown modality. */
export function addInference(
  { inputs, outputs }: Groups,
  group: Group,
  call: SettledCall,
  model: string,
  usage: Usage | undefined,
): void {
  if (usage === undefined) {
    addModality(inputs, group.inputs, call, model, UNKNOWN, 0);
    addModality(outputs, group.outputs, call, model, UNKNOWN, 0);
    return;
  }
  const { input, output, inputAudio = 0, outputAudio = 0, outputImage = 0 } = usage;
  const text = output - outputAudio - outputImage;
  if (input > inputAudio) addModality(inputs, group.inputs, call, model, TEXT, input - inputAudio);
  if (inputAudio > 0) addModality(inputs, group.inputs, call, model, AUDIO, inputAudio);
  if (text > 0) addModality(outputs, group.outputs, call, model, TEXT, text);
  if (outputAudio > 0) addModality(outputs, group.outputs, call, model, AUDIO, outputAudio);
  if (outputImage > 0) addModality(outputs, group.outputs, call, model, IMAGE, outputImage);
}

/** The series of the duration of calls that ended with this type of error, or with none. */
export function durationOf(
  { durations }: Groups,
  group: Group,
  call: SettledCall,
  errorType: string | undefined,
): Series<Tags, Histogram> {
  let series = group.durations.get(errorType);
  if (series === undefined) {
    const tags = inferenceTags(call, call.model);
    series = durations.open(errorType === undefined ? tags : { ...tags, [ATTR.errorType]: errorType });
    group.durations.set(errorType, series);
  }
  return series;
}

function openCall(groups: Groups, group: Group, call: SettledCall, key: string): Series<Tags, number> {
  const { ending, stream, priced } = call;
  const series = groups.calls.open({ ...spendTags(groups, call, call.model), ending, stream: String(stream), priced });
  group.calls.set(key, series);
  return series;
}

function openCost(groups: Groups, group: Group, call: SettledCall, model: string): Series<Tags, number> {
  group.cost = groups.costs.open(spendTags(groups, call, model));
  return group.cost;
}

function addTokens(
  groups: Groups,
  group: Group,
  call: SettledCall,
  model: string,
  index: number,
  amount: number,
): void {
  let series = group.tokens[index];
  if (series === undefined) {
    series = groups.tokens.open({ ...spendTags(groups, call, model), token_type: TOKEN_TYPES[index]! });
    group.tokens[index] = series;
  }
  series.value += amount;
  if (!series.changed) groups.tokens.touch(series);
}

/** @param opened The group's series in this table. */
function addModality(
  table: SeriesTable<Tags, number>,
  opened: Opened[],
  call: SettledCall,
  model: string,
  index: number,
  amount: number,
): void {
  let series = opened[index];
  if (series === undefined) {
    series = table.open({ ...inferenceTags(call, model), [ATTR.modality]: MODALITIES[index]! });
    opened[index] = series;
  }
  series.value += amount;
  if (!series.changed) table.touch(series);
}

function spendTags(
  { processName, bounds }: Groups,
  { scope, provider, quality, priced }: SettledCall,
  model: string,
): Tags {
  const tags = { ...scopeTags(scope, bounds), provider, model, quality, process: processName() };
  // Only here, so that series of other calls stay as they are.
  return priced === "plan" ? { ...tags, priced } : tags;
}

/** The tags of a scope, always in this order: it is part of what makes a series. */
export function scopeTags(scope: Scope, bounds: TagBounds): Tags {
  return {
    agent: scope.agent,
    root_agent: scope.rootAgent,
    ...(scope.team !== undefined && { team: scope.team }),
    ...(scope.project !== undefined && { project: scope.project }),
    ...boundTags(bounds, scope),
  };
}

const OPERATIONS = new Map<string, string>(Object.values(registry).map(({ name, operation }) => [name, operation]));

function inferenceTags(call: SettledCall, model: string): Tags {
  return {
    [ATTR.operation]: OPERATIONS.get(call.format) ?? "chat",
    [ATTR.provider]: call.provider,
    ...(call.requestModel !== undefined && { [ATTR.requestModel]: call.requestModel }),
    [ATTR.responseModel]: model,
    [ATTR.agent]: call.scope.agent,
  };
}
