/** `starling llm record` */
import { existsSync } from 'node:fs';
import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { StarlingError, messageOf } from '../../../core/errors.ts';
import type { ExitCode } from '../../../core/exit-codes.ts';
import type { Json, JsonObject } from '../../../core/json/json.ts';
import { systemClock } from '../../../core/time/clock.ts';
import { pause } from '../../../core/wait.ts';
import type { StatusResult } from '../../../builtin/results.ts';
import { loadConfig } from '../../../config/index.ts';
import { gradeOf, headLine, priceOf, readQuestions, readSaid } from '../../../models/index.ts';
import type { MixQuestion, MixTier } from '../../../models/index.ts';
import { configFileInUse, withNode } from '../../node/locate-node.ts';
import { untilInterrupted } from '../../terminal/interrupted.ts';
import { printData, safeLine, tell } from '../../terminal/output.ts';
import { readLineFile } from '../../options/line-file.ts';
import type { CommonOptions } from '../../options/common-options.ts';

/** Only who runs the node may read prompts and answers. */
const OWN_MODE = 0o600;
/** Times that a model is asked which says that it has too much to do, and the longest that it is waited for. */
const TRIES = 5;
const RETRY_MAX_MS = 60_000;
const RETRY_MS = 2000;
/** Grades that the node is told at a time. */
const GRADES_AT_ONCE = 500;

interface RecordOptions extends CommonOptions {
  readonly model: readonly string[];
  readonly out: string;
  readonly force?: boolean;
}

/** Where a node answers in the OpenAI API, and by whose right it is asked. */
interface Door {
  readonly url: URL;
  readonly token: string;
}

interface Recorded {
  readonly recorded: number;
  /** Questions that are left out, since a model gave no answer. */
  readonly left_out: number;
  readonly file: string;
}

/** Asks each model each question, and keeps what was answered. @throws STARLING_USAGE, what all questions fail with */
export async function run(file: string, options: RecordOptions): Promise<ExitCode> {
  const { model: models } = options;
  if (models.length < 2 || new Set(models).size !== models.length) {
    throw new StarlingError('STARLING_USAGE', 'name two models or more, the smallest first', {
      hint: 'starling llm record questions.jsonl --model gpu/qwen3:8b --model anthropic/claude-opus-4-6 --out mix.jsonl',
    });
  }
  const questions = readQuestions(await readLineFile(file), file);
  const tiers = await pricesOf(models, options);
  const result = await untilInterrupted(async (signal): Promise<Recorded> => {
    const door = await withNode(options, async (node) => doorOf(await node.builtin('status')));
    const out = await Recording.begin(options);
    const grades: Grade[] = [];
    try {
      await out.add(headLine(tiers));
      await recordAll({ questions, models, door, out, grades, signal });
    } finally {
      await out.end();
      await tellGrades(grades, options);
    }
    const { recorded } = out;
    return { recorded, left_out: questions.length - recorded, file: options.out };
  });
  if (typeof result === 'number') return result;
  printData(result, options.json === true, () =>
    safeLine(
      `${result.recorded} questions are recorded in ${result.file}${result.left_out === 0 ? '' : `, and ${result.left_out} left out`}; see: starling llm replay ${result.file}`,
    ),
  );
  return 0;
}

/** How good one answer was, by what was expected of it: 0 to 1. */
interface Grade extends JsonObject {
  readonly model: string;
  readonly score: number;
}

interface Asking {
  /** Of all answers so far. */
  readonly grades: Grade[];
  readonly questions: readonly MixQuestion[];
  readonly models: readonly string[];
  readonly door: Door;
  readonly out: Recording;
  readonly signal: AbortSignal;
}

async function recordAll(asking: Asking): Promise<void> {
  const { door, grades, models, out, questions, signal } = asking;
  let last: unknown;
  for (const [at, question] of questions.entries()) {
    const asked = models.map((model) => answerOf(door, question.body, model, signal));
    const given = await Promise.all(asked).catch((error: unknown) => {
      signal.throwIfAborted();
      last = error;
      tell(safeLine(`question ${at + 1} is left out: ${messageOf(error)}`));
      return undefined;
    });
    if (given !== undefined) {
      const answers = Object.fromEntries(
        models.map((model, which) => [model, given[which]?.answer]),
      );
      grades.push(...given.map((one) => gradeIn(one, question)));
      // Answers that can't be kept are not paid for any longer.
      await out.add(JSON.stringify({ ...question, answers }));
    }
    if ((at + 1) % 50 === 0) tell(`${at + 1} of ${questions.length}`);
  }
  if (out.recorded === 0) throw last;
}

/**
 * A file that is being written: beside the one that it will be, whose place it takes once it ends with an answer in it. It
 * has whole lines only, also when the disk is full.
 */
class Recording {
  readonly #file: string;
  readonly #handle: FileHandle;
  #lines = 0;
  #bytes = 0;

  private constructor(file: string, handle: FileHandle) {
    this.#file = file;
    this.#handle = handle;
  }

  /** @throws STARLING_USAGE where there is a file already, or something that is none */
  static async begin({ force, out }: RecordOptions): Promise<Recording> {
    const there = await stat(out).catch(() => undefined);
    if (there !== undefined && !there.isFile()) {
      throw new StarlingError('STARLING_USAGE', `${out} is not a file`, {
        hint: 'name a file that is to be made: --out mix.jsonl',
      });
    }
    if (there !== undefined && force !== true) {
      throw new StarlingError('STARLING_USAGE', `${out} exists already`, {
        hint: 'choose another name, or replace it: --force',
      });
    }
    // Left by one that was killed.
    await rm(partOf(out), { force: true });
    return new Recording(out, await open(partOf(out), 'wx', OWN_MODE));
  }

  /** Questions with their answers; the first line is none of them. */
  get recorded(): number {
    return Math.max(0, this.#lines - 1);
  }

  /** @throws STARLING_STATE_UNUSABLE where the disk takes no more */
  async add(line: string): Promise<void> {
    const text = `${line}\n`;
    try {
      await this.#handle.appendFile(text);
    } catch (error) {
      await this.#handle.truncate(this.#bytes);
      const kept = this.recorded === 0 ? 'nothing is' : `${this.recorded} questions are`;
      throw new StarlingError(
        'STARLING_STATE_UNUSABLE',
        `${this.#file} could not be written: ${messageOf(error)}`,
        { hint: `make room on the disk, and record again: ${kept} in the file`, cause: error },
      );
    }
    this.#bytes += Buffer.byteLength(text);
    this.#lines += 1;
  }

  /** Puts the file in its place; where nobody answered, what was there stays. */
  async end(): Promise<void> {
    await this.#handle.sync();
    await this.#handle.close();
    if (this.recorded === 0) await rm(partOf(this.#file), { force: true });
    else await rename(partOf(this.#file), this.#file);
  }
}

const partOf = (file: string): string => `${file}.part`;

/** One answer, and the model that gave it. */
interface Given {
  readonly model: string;
  readonly answer: JsonObject;
}

function gradeIn({ answer, model }: Given, { expect }: MixQuestion): Grade {
  const said = readSaid('chat', false, Buffer.from(JSON.stringify(answer)));
  return { model, score: gradeOf(expect, said) };
}

/** The node counts them as quality; what it does not hear changes nothing of what was recorded. */
async function tellGrades(grades: readonly Grade[], options: RecordOptions): Promise<void> {
  try {
    for (let at = 0; at < grades.length; at += GRADES_AT_ONCE) {
      const some = grades.slice(at, at + GRADES_AT_ONCE);
      await withNode(options, (node) => node.builtin('llm_grade', { grades: some }));
    }
  } catch (error) {
    tell(safeLine(`starling llm stats does not count how good they were: ${messageOf(error)}`));
  }
}

/** What the model answered, without what tells nothing of it. */
async function answerOf(
  { url, token }: Door,
  body: JsonObject,
  model: string,
  signal: AbortSignal,
): Promise<Given> {
  for (let tried = 1; ; tried += 1) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, model, stream: false }),
      signal,
    });
    const answer = (await response.json()) as Record<string, Json>;
    if (response.ok) {
      const { choices = [], usage = {} } = answer;
      const by = response.headers.get('starling-model') ?? model;
      return { model: by, answer: { choices, usage } };
    }
    if (response.status !== 429 || tried === TRIES) throw refusal(model, answer);
    const afterS = Number(response.headers.get('retry-after'));
    await pause(systemClock, Math.min(afterS > 0 ? afterS * 1000 : RETRY_MS, RETRY_MAX_MS));
    signal.throwIfAborted();
  }
}

function refusal(model: string, { error }: Readonly<Record<string, Json>>): StarlingError {
  const { message } = (error ?? {}) as { readonly message?: string };
  return new StarlingError('STARLING_MODEL_FAILED', `${model}: ${message ?? 'no answer'}`, {
    hint: `see whether it answers: starling model test ${model}`,
  });
}

async function doorOf(status: StatusResult): Promise<Door> {
  const { tokenFile, url } = status.endpoints;
  if (url === undefined) {
    throw new StarlingError('STARLING_USAGE', 'this node has no HTTP endpoint to ask models at', {
      hint: 'set http.enabled to true in the config file, and restart the node',
    });
  }
  return {
    url: new URL('/v1/chat/completions', url),
    token: (await readFile(tokenFile, 'utf8')).trim(),
  };
}

/** The file of the node that runs, where there is one. */
async function fileInUse(options: RecordOptions): Promise<{ readonly file?: string }> {
  if (options.config !== undefined) return { file: options.config };
  const file = await configFileInUse(options);
  return existsSync(file) ? { file } : {};
}

/** By the config file and the table of prices. */
async function pricesOf(
  models: readonly string[],
  options: RecordOptions,
): Promise<readonly MixTier[]> {
  const { models: configured } = await loadConfig({
    ...(await fileInUse(options)),
    env: process.env,
    flags: {},
  });
  const { prices, providers } = configured;
  return models.map((model) => {
    const [provider = ''] = model.split('/');
    const isOwn = providers[provider]?.tier === 'edge';
    const { source, batch: _share, long: _, ...price } = priceOf(model, prices, isOwn);
    if (source === 'unknown') {
      tell(
        safeLine(
          `nobody knows the price of ${model}: it counts as the dearest there is, unless you set models.prices, or another one in the first line of ${options.out}`,
        ),
      );
    }
    return { model, price };
  });
}
