/** What is granted and under which conditions, from the options of `grant create` and `delegate`. */
import { StarlingError } from '../../core/errors.ts';
import type { Json, JsonObject } from '../../core/json/json.ts';
import type { CommonOptions } from './common-options.ts';

/** Options of commands that make a grant. */
export interface GrantOptions extends CommonOptions {
  readonly tool?: readonly string[];
  readonly resource?: readonly string[];
  readonly prompt?: readonly string[];
  readonly server?: readonly string[];
  readonly agent?: readonly string[];
  readonly spawn?: readonly string[];
  readonly model?: readonly string[];
  /** A board that is not open, and what may be done there. */
  readonly board?: string;
  readonly may?: string;
  readonly expires?: number;
  readonly uses?: number;
  readonly rate?: { readonly per_s: number; readonly burst: number };
  readonly arg?: readonly string[];
  readonly hours?: string;
  /** Name or id of the budget against which each call counts. */
  readonly budget?: string;
  readonly needsApproval?: boolean;
  readonly maxDepth?: number;
}

const RULE = /^([^=<>^:]+)(:=|<=|>=|\^=|=)([\s\S]*)$/;
const DAYS: readonly string[] = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const HOURS = /^(?:([a-z]{3})(?:-([a-z]{3}))?\s+)?(\d\d:\d\d)-(\d\d:\d\d)(?:\s+(\S+))?$/;

/** What is granted, as somebody has typed it: empty where nothing of a kind is. */
export interface TypedThings {
  readonly tools: readonly string[];
  readonly resources: readonly string[];
  readonly prompts: readonly string[];
  readonly servers: readonly string[];
  readonly agents: readonly string[];
  /** Kinds of agents. */
  readonly spawns: readonly string[];
  readonly models: readonly string[];
}

/** What the options grant. */
export function thingsIn(options: GrantOptions): TypedThings {
  const { tool = [], resource = [], prompt = [], server = [] } = options;
  const { agent = [], spawn = [], model = [] } = options;
  return {
    tools: tool,
    resources: resource,
    prompts: prompt,
    servers: server,
    agents: agent,
    spawns: spawn,
    models: model,
  };
}

/** The arguments of the tool that makes the grant. @throws STARLING_USAGE */
export function grantConditions(options: GrantOptions): JsonObject {
  const { rate } = options;
  const things = Object.entries(thingsIn(options)).map(([name, values]) => [name, listOf(values)]);
  const given: Record<string, Json | undefined> = {
    ...(Object.fromEntries(things) as Record<keyof TypedThings, Json | undefined>),
    expires_s: options.expires === undefined ? undefined : options.expires / 1000,
    uses: options.uses,
    rate: rate === undefined ? undefined : { ...rate },
    args: argumentRules(options.arg ?? []),
    hours: options.hours === undefined ? undefined : readHours(options.hours),
    budget: options.budget === undefined ? undefined : { id: options.budget },
    approval: options.needsApproval === true ? 'required' : undefined,
    max_depth: options.maxDepth,
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function listOf(values: readonly string[]): Json | undefined {
  return values.length === 0 ? undefined : [...values];
}

/**
 * `path=/srv/**` is a path pattern, as is all that has a slash or a star; `mode=read` a value;
 * `count:=5` a JSON value; `count<=5`, `count>=1` bounds; `branch^=feature-` a beginning. Undefined where there are no words.
 * @throws STARLING_USAGE
 */
export function argumentRules(words: readonly string[]): JsonObject | undefined {
  const rules: Record<string, Record<string, Json>> = {};
  for (const word of words) {
    const [, name, sign, text] = RULE.exec(word) ?? [];
    if (name === undefined || sign === undefined || text === undefined) throw noRule(word);
    const rule = (rules[name] ??= {});
    if (sign === '<=' || sign === '>=') {
      if (text.trim() === '' || !Number.isFinite(Number(text))) throw noRule(word);
      rule[sign === '<=' ? 'maximum' : 'minimum'] = Number(text);
    } else if (sign === '^=') rule['prefix'] = text;
    else addChoice(rule, sign === ':=' ? readJson(word, text) : text);
  }
  return words.length === 0 ? undefined : rules;
}

/** Adds a value that the argument may have; when one value is a pattern, all of them are patterns. */
function addChoice(rule: Record<string, Json>, value: Json): void {
  const before = [rule['paths'] ?? rule['enum'] ?? []].flat();
  const all = [...before, value];
  const isPath = all.some((one) => typeof one === 'string' && /[*/]/.test(one));
  delete rule['enum'];
  rule[isPath ? 'paths' : 'enum'] = all;
}

function readJson(word: string, text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw noRule(word, error);
  }
}

function readHours(text: string): JsonObject {
  const [, first, last = first, from, to, zone] = HOURS.exec(text.trim()) ?? [];
  const [start, end] = [DAYS.indexOf(first ?? 'mon'), DAYS.indexOf(last ?? 'sun')];
  if (from === undefined || to === undefined || start < 0 || end < start) {
    throw new StarlingError('STARLING_USAGE', `--hours ${text}: these are no hours`, {
      hint: "write them like '08:00-18:00', 'mon-fri 08:00-18:00' or 'sat 09:00-12:00 Europe/Berlin'",
    });
  }
  return {
    from,
    to,
    ...(first === undefined ? {} : { days: DAYS.slice(start, end + 1) }),
    zone: zone ?? Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

function noRule(word: string, cause?: unknown): StarlingError {
  return new StarlingError('STARLING_USAGE', `--arg ${word}: it is no rule for an argument`, {
    hint: "write --arg 'path=/srv/docs/**', --arg mode=read, --arg 'count<=10' or --arg 'branch^=feature-'",
    cause,
  });
}
