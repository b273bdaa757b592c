/** Rows of a predictions file as the server sends them; which columns there are depends on the kind of task. */
import type { Num } from "../format";

export type Kind = "labelled" | "multi_labelled" | "scored" | "tagged" | "question" | "generated" | "dialogue" | "text" | "masked";

export interface Message {
  role: string;
  content: string;
}

export interface Prediction {
  id: string;
  wrong: boolean | null;
  text?: string;
  pair?: string | null;
  gold?: string | string[] | number | null;
  prediction?: string | string[] | number | null;
  confidence?: Num | number[];
  loss?: Num;
  scores?: number[];
  tokens?: string[] | number;
  question?: string;
  context?: string;
  answer?: string;
  margin?: Num;
  messages?: Message[];
  masked?: number;
  correct?: number;
  bytes?: number;
}

export interface PredictionPage {
  split: string;
  step: number;
  kind: Kind;
  total: number;
  matched: number;
  wrong: number | null;
  labels: string[];
  rows: Prediction[];
}

export const list = (value: Prediction["gold"]): string[] => (Array.isArray(value) ? value : value === null || value === undefined ? [] : [String(value)]);

/** One number for a row: a sequence is as sure as its least sure token. */
export function confidenceOf(row: Prediction): number | null {
  const given = row.confidence;
  if (Array.isArray(given)) return given.length ? Math.min(...given) : null;
  return given === null || given === undefined || Number.isNaN(Number(given)) ? null : Number(given);
}

/** Labels with their scores, most probable first; none where the two do not belong together. */
export function ranked(scores: readonly number[] | undefined, labels: readonly string[]): { label: string; score: number }[] {
  if (!scores || scores.length !== labels.length) return [];
  return scores.map((score, at) => ({ label: labels[at]!, score })).sort((a, b) => b.score - a.score);
}

/** The kind to show: dialogues are generated texts with messages. */
export function shownKind(kind: Kind, row: Prediction): Kind {
  return kind === "generated" && row.messages ? "dialogue" : kind;
}
