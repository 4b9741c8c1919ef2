import { array, type Json, object, parse, text } from "../../core/json.ts";
import { effortOf } from "../wire/content/effort.ts";
import type { KeptModel, Knowledge, ModelKnowledge } from "./knowledge.ts";

const VERSION = 1;
/** The newest of each; the text then has at most some 100 KB. */
const MAX_MODELS = 50;
const MAX_OVERHEADS = 40;

/** Knowledge as text, for {@link readKept}. */
export function writeKept({ models }: Knowledge): string {
  const kept = [...models].slice(-MAX_MODELS).map(([name, model]) => [name, keep(model)] as const);
  return JSON.stringify({ version: VERSION, models: Object.fromEntries(kept) });
}

function keep(model: ModelKnowledge): KeptModel {
  const { outputBytes, outputTokens, thoughtBytes, thoughtTokens, margins } = model;
  const hiddenReasoning = [...model.hiddenReasoning].map(([effort, tokens]) => [effort, round(tokens)] as const);
  const overheads = [...model.overheads]
    .slice(-MAX_OVERHEADS)
    .map(([key, { tokens, weight }]) => [key, round(tokens), weight] as const);
  return { outputBytes, outputTokens, thoughtBytes, thoughtTokens, hiddenReasoning, margins, overheads };
}

function round(tokens: number): number {
  return Math.round(tokens * 10) / 10;
}

/** By model; empty for a text that is broken or of another version. */
export function readKept(written: string): ReadonlyMap<string, KeptModel> {
  const json = object(parse(written));
  const found = new Map<string, KeptModel>();
  if (json?.version !== VERSION) return found;
  for (const [name, value] of Object.entries(object(json.models) ?? {})) {
    const model = readModel(object(value));
    if (model !== undefined && text(name) !== undefined) found.set(name, model);
  }
  return found;
}

function readModel(json: Json | undefined): KeptModel | undefined {
  const margins = object(json?.margins);
  if (json === undefined || margins === undefined) return undefined;
  const { continued, alike, first, served } = margins;
  const { outputBytes, outputTokens, thoughtBytes, thoughtTokens } = json;
  const sums = [outputBytes, outputTokens, thoughtBytes, thoughtTokens, continued, alike, first, served];
  if (!sums.every(isAmount)) return undefined;
  const hiddenReasoning = array(json.hiddenReasoning).filter(isReasoning);
  const overheads = array(json.overheads).filter(isOverhead);
  const model = { outputBytes, outputTokens, thoughtBytes, thoughtTokens, hiddenReasoning, overheads };
  return { ...model, margins: { continued, alike, first, served } } as KeptModel;
}

function isOverhead(value: unknown): boolean {
  const [key, tokens, weight] = array(value);
  return Number.isInteger(key) && Number.isFinite(tokens) && isAmount(weight);
}

function isReasoning(value: unknown): boolean {
  const [effort, tokens] = array(value);
  return (effort === "unsaid" || effortOf(effort) === effort) && isAmount(tokens);
}

function isAmount(value: unknown): boolean {
  return typeof value === "number" && value >= 0 && value < 1e15;
}
