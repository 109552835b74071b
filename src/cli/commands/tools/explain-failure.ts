/** What a person did wrong in a call that failed: a tool of another name, an argument left out or misspelt. */
import { nearest } from '../../../core/words/slips.ts';
import { StarlingError } from '../../../core/errors.ts';
import type { Json, JsonObject } from '../../../core/json/json.ts';
import { isObject } from '../../../core/json/value-checks.ts';
import type { ToolInfo } from '../../node/client.ts';
import { typesIn } from '../../options/tool-arguments.ts';
import { cut } from '../../terminal/output.ts';

/** Names that an unknown one is compared with. */
const COMPARED_MAX = 1000;
const SAID_MAX = 300;
/** What SDKs put before their words. */
const PREFIX = /^MCP error -?\d+: /;
const SEPARATOR = '__';

/** All that is known at the terminal when a tool has answered with an error. */
export interface FailedCall {
  readonly tool: string;
  readonly args: JsonObject;
  /** What the tool's server or the node said of it. */
  readonly said: string;
  /** All tools that the caller may see. */
  readonly offered: readonly ToolInfo[];
  /** The names of the peers, as far as the caller may see them. */
  readonly peers?: readonly string[];
  /** Whether the call answered what the tool's server asks (elicitation). */
  readonly answers?: boolean;
}

/** The failure in words of ours, where the name or the arguments explain it; else undefined. */
export function explainFailure(call: FailedCall): StarlingError | undefined {
  const { tool, offered } = call;
  // Nobody can tell what is wrong by a list that did not come.
  if (offered.length === 0) return undefined;
  const info = offered.find(({ name }) => name === tool);
  // What a server lists shows once it is ready: the name may be right.
  if (info === undefined && NOT_READY.test(call.said)) return undefined;
  if (info === undefined) return unknown(call);
  const lack = lackOf(call);
  if (lack !== undefined) return lack;
  const faults = faultsOf(call.args, info.inputSchema);
  if (faults.length === 0) return undefined;
  return new StarlingError('STARLING_USAGE', `${titleOf(tool)} ${faults.join(', ')}`, {
    hint: `all that it takes: starling tools show ${tool}${quoteOf(call.said)}`,
  });
}

/** What a node says of a server that is not there yet, or of a name that a list may bring which is on its way. */
const NOT_READY =
  /^(?:server '[^']*' (?:is still starting|is starting|has failed|failed)|no tool is called '.*' so far: )/;
/** What servers say of a tool that they have not, in whose words we do not know. */
const NOT_THERE = /not found|unknown/i;
/** How servers, and nodes for them, say that a client can't be asked. */
const NOT_ASKED = /client does not (?:support|serve)\b.{0,40}\b(elicitation|sampling|roots)/i;

/**
 * The tool is there for others than who called it: servers leave tools out, or break them off, where the client
 * declares nobody to be asked. A node lists them, because its clients may be others.
 */
function lackOf({ tool, said, answers = false }: FailedCall): StarlingError | undefined {
  const name = tool.split(SEPARATOR).at(-1) ?? tool;
  const isNotThere = NOT_THERE.test(said) && /\btool\b/i.test(said) && said.includes(name);
  const [, asked = isNotThere ? 'elicitation' : undefined] = NOT_ASKED.exec(said) ?? [];
  if (asked === undefined) return undefined;
  const mayAnswer = !answers && asked.toLowerCase() === 'elicitation';
  const text = isNotThere
    ? `${titleOf(tool)} is there only for callers whom its server can ask something${mayAnswer ? '' : ': for a model (sampling), or for folders (roots)'}`
    : `${titleOf(tool)} asks its caller something (${asked.toLowerCase()}), and nobody answers here`;
  const hint = mayAnswer
    ? `answer it in a terminal: starling call --ask ${tool}`
    : 'call it from an MCP client that can: starling connect --help';
  return new StarlingError('STARLING_USAGE', text, {
    hint: hint + quoteOf(said),
    data: { needs: mayAnswer ? FORMS : asked.toLowerCase(), called: !isNotThere },
  });
}

/** In `data.needs` of such an error: who calls again and answers forms may get on. */
export const FORMS = 'elicitation';

/** Names that one error lists. */
const LISTED_MAX = 8;

/**
 * The whole name of a tool that is named by its end only: `echo` or `files/echo` for `alice__files__echo`,
 * where one tool alone ends so. A name that no tool of `offered` ends with is given back as it is.
 * @throws STARLING_TOOL_UNKNOWN when several tools end so
 */
export function wholeName(typed: string, offered: readonly ToolInfo[]): string {
  const names = offered.map(({ name }) => name);
  if (names.includes(typed)) return typed;
  const wanted = typed.replaceAll('/', SEPARATOR);
  if (names.includes(wanted)) return wanted;
  const ending = names.filter((name) => name.endsWith(SEPARATOR + wanted));
  if (ending.length <= 1) return ending[0] ?? typed;
  const more = ending.length > LISTED_MAX ? ` and ${ending.length - LISTED_MAX} more` : '';
  throw new StarlingError('STARLING_TOOL_UNKNOWN', `${ending.length} tools end in ${typed}`, {
    hint: `name one of them whole: ${ending.slice(0, LISTED_MAX).join(', ')}${more}`,
  });
}

/** The tool of `offered` that was probably meant by a name that none of them has. */
export function meantTool(tool: string, offered: readonly ToolInfo[]): string | undefined {
  const names = offered.map(({ name }) => name);
  // As grants and requests write it: files/read_text_file.
  const wanted = tool.replaceAll('/', SEPARATOR);
  if (names.includes(wanted)) return wanted;
  const ending = names.filter((name) => name.endsWith(SEPARATOR + wanted));
  if (ending.length === 1) return ending[0];
  return nearest(wanted, names.slice(0, COMPARED_MAX), SEPARATOR);
}

/** Whose tool that is: `ecko of files at workstation`. */
function titleOf(tool: string): string {
  const [first = '', second, ...rest] = tool.split(SEPARATOR);
  if (second === undefined) return `the tool ${tool}`;
  const isRemote = rest.length > 0;
  return isRemote
    ? `the tool ${rest.join(SEPARATOR)} of ${second} at ${first}`
    : `the tool ${second} of ${first}`;
}

function unknown({ tool, offered, said, peers = [] }: FailedCall): StarlingError {
  const [peer = '', server, name] = tool.split(SEPARATOR);
  // Without a list of peers nobody can tell; a server of this node may have a tool with such a name.
  const isOwn = offered.some((one) => one.name.startsWith(peer + SEPARATOR));
  if (name !== undefined && peers.length > 0 && !peers.includes(peer) && !isOwn) {
    const near = nearest(peer, peers) ?? peers.find((one) => one.startsWith(peer));
    const advice = near === undefined ? `known are ${peers.join(', ')}.` : `did you mean ${near}?`;
    return new StarlingError('STARLING_PEER_UNKNOWN', `no peer is called '${peer}' (${tool})`, {
      hint: `${advice} Which tools of ${server ?? 'it'} you may call: starling tools`,
    });
  }
  const meant = meantTool(tool, offered);
  const advice =
    meant === undefined
      ? 'see which tools you may call: starling tools'
      : `did you mean ${meant}? What it takes: starling tools show ${meant}`;
  // A name without a server came to none.
  const hint = advice + (server === undefined ? '' : quoteOf(said));
  const text = `${titleOf(tool)} is not among those that you may call`;
  if (peers.includes(tool)) {
    return new StarlingError('STARLING_TOOL_UNKNOWN', `${tool} is a peer, and no tool`, {
      hint: `what you may call there: starling tools ${tool}`,
    });
  }
  return new StarlingError('STARLING_TOOL_UNKNOWN', text, { hint });
}

function quoteOf(said: string): string {
  const text = said.replace(PREFIX, '').replaceAll(/\s+/g, ' ').trim();
  return text === '' ? '' : `\n    its server says: ${cut(text, SAID_MAX)}`;
}

/** What is wrong with the arguments by the tool's own schema, as parts of a sentence about the tool. */
function faultsOf(args: JsonObject, schema: JsonObject | undefined): readonly string[] {
  const properties = schema?.['properties'];
  if (!isObject(properties)) return [];
  const required = schema?.['required'];
  const given = Object.keys(args);
  const missing = (Array.isArray(required) ? required : []).filter(
    (name): name is string => typeof name === 'string' && !given.includes(name),
  );
  const unknownOnes = given.filter((name) => !Object.hasOwn(properties, name));
  const wrong = given.filter(
    (name) => Object.hasOwn(properties, name) && !fits(args[name], properties[name]),
  );
  return [
    ...missing.map((name) => `needs ${named(name, properties[name])}`),
    ...wrong.map((name) => `takes ${named(name, properties[name])}, not ${kindOf(args[name])}`),
    ...unknownOnes.map((name) => unknownText(name, Object.keys(properties))),
  ];
}

function unknownText(name: string, known: readonly string[]): string {
  const meant = nearest(name, known);
  return `takes no ${name}${meant === undefined ? '' : ` (did you mean ${meant}?)`}`;
}

function named(name: string, property: Json | undefined): string {
  const types = [...typesIn(property ?? null)].join('|');
  return types === '' ? name : `${name} (${types})`;
}

function kindOf(value: Json | undefined): string {
  if (value === null || value === undefined) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

/** Whether the value is of a type that the schema names; a schema that names none takes all. */
function fits(value: Json | undefined, property: Json | undefined): boolean {
  const types = typesIn(property ?? null);
  if (types.size === 0 || value === null || value === undefined) return true;
  const kind = kindOf(value);
  return types.has(kind) || (kind === 'number' && types.has('integer'));
}
