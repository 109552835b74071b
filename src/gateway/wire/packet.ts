/**
 * Packets of PacketFlow, `{g, e, d, ai_context}`, at the doors that carry messages one by one (TCP, WebSocket): each is
 * written anew as a request of the stateless era and judged as such, and its answer is `{success, data}`. The values of
 * `arguments`, `data` and `ai_context` cross byte by byte. A packet may have an `id` (a text or a number), which its answer
 * repeats; packets without one are answered in the order in which they came.
 */
import {
  BUILTIN_SERVER,
  JSON_BYTE,
  StarlingError,
  endOfJsonString,
  endOfJsonValue,
  isObject,
  jsonStringAt,
  printable,
  skipJsonSpace,
} from '../../core/index.ts';
import type { Json, JsonObject } from '../../core/index.ts';
import { META, MODERN_VERSIONS } from './era.ts';
import { RPC, errorOf, parseFrame } from './frame.ts';
import { scanSpans } from './json-scan.ts';
import type { Receiver, Reply } from './reply.ts';
import type { RequestFrame, Span } from '../frame-types.ts';

const MARK = Buffer.from('"g"');
const GROUP = 'ai';
const BOARD = 'board://';
/** Answers of one connection that wait for an earlier one, and packets that are under way. */
const WAITING_MAX = 256;
/** Bytes of answers of one connection that wait for an earlier one. */
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
const SHOWN_MAX = 60;
const ID_MAX = 256;

/** What a packet asks for: a request of MCP, or what is wrong with the packet. */
export interface Packet {
  readonly kind: 'packet';
  /** The packet's own id as it was written; undefined for a packet without one. */
  readonly id: string | undefined;
  readonly request: RequestFrame | StarlingError;
  /** The resource that is subscribed to: the packet is answered at once, and changes are packets, too. */
  readonly subscribes?: string;
}

/** The packets of one connection that are under way. */
export interface Packets {
  /** Runs the packet at `receiver`; the answer goes to `reply`. */
  receive(receiver: Receiver, packet: Packet, reply: Reply): void;
}

/** Reads a packet; undefined for every other message, also for what is no JSON. */
export function readPacket(bytes: Buffer): Packet | undefined {
  if (!bytes.includes(MARK)) return undefined;
  const value = tryParse(bytes);
  if (!isObject(value) || 'jsonrpc' in value || 'method' in value) return undefined;
  if (typeof value['g'] !== 'string' || typeof value['e'] !== 'string') return undefined;
  let id: string | undefined;
  try {
    const top = membersOf(bytes, skipJsonSpace(bytes, 0));
    id = idOf(bytes, top.get('id'), value['id']);
    return { kind: 'packet', id, ...requestOf(bytes, value, top) };
  } catch (error) {
    // What JSON.parse takes may be too deep for JSON.stringify.
    const known = error instanceof RangeError ? violation('the packet is nested too deep') : error;
    if (!(known instanceof StarlingError)) throw error;
    return { kind: 'packet', id, request: known };
  }
}

/** Makes the table of one connection, empty. */
export function createPackets(): Packets {
  const turns = createTurns();
  return {
    receive(receiver, packet, reply) {
      const { id, request, subscribes } = packet;
      if (id === undefined && turns.isFull()) {
        turns.refuse(reply);
        return;
      }
      const settle =
        id === undefined
          ? turns.take(reply)
          : (answer: Buffer): void => reply.final(withId(answer, id));
      if (request instanceof StarlingError) {
        settle(failed(request));
        return;
      }
      const own =
        subscribes === undefined ? answering(settle) : subscribing(settle, subscribes, reply);
      // The packet's id is its client's own, and may be that of another request.
      receiver.receive(request, own, request);
    },
  };
}

/** The order of the answers to packets without id. */
interface Turns {
  isFull(): boolean;
  /** The place of one answer; gives what sends the answer in its turn. */
  take(reply: Reply): (answer: Buffer) => void;
  /** Refuses a packet, in its turn as well: whoever gives no ids counts answers. */
  refuse(reply: Reply): void;
}

interface Turn {
  /** Undefined while the packet is under way. */
  answer: Buffer | undefined;
  readonly reply: Reply;
  /** Packets after this one, and before the next one, that were refused. */
  refused: number;
}

function createTurns(): Turns {
  const turns: Turn[] = [];
  let waitingBytes = 0;
  const flush = (): void => {
    while (turns[0]?.answer !== undefined) {
      const { answer, reply, refused } = turns.shift() as Turn & { answer: Buffer };
      waitingBytes -= answer.length;
      reply.final(answer);
      for (let left = refused; left > 0; left -= 1) reply.final(failed(tooMany()));
    }
  };
  return {
    isFull: () => turns.length >= WAITING_MAX,
    take(reply) {
      const turn: Turn = { answer: undefined, reply, refused: 0 };
      turns.push(turn);
      return (answer) => {
        if (turn.answer !== undefined) return;
        turn.answer = waitingBytes + answer.length > WAITING_BYTES_MAX ? failed(tooMuch()) : answer;
        waitingBytes += turn.answer.length;
        flush();
      };
    },
    refuse(reply) {
      const last = turns.at(-1);
      if (last === undefined) reply.final(failed(tooMany()));
      else last.refused += 1;
    },
  };
}

/** What the caller of a request hears: the answer only. */
function answering(settle: (answer: Buffer) => void): Reply {
  return {
    interim: () => undefined,
    urgent: () => undefined,
    final: (message) => settle(answerOf(message)),
    dropped: () => settle(failed(cancelled())),
  };
}

/** What a subscriber hears: that the subscription stands, then a packet for each change. */
function subscribing(settle: (answer: Buffer) => void, uri: string, reply: Reply): Reply {
  let isMade = false;
  const told = (message: Buffer): Buffer | undefined => {
    const frame = parseFrame(message);
    if (frame.kind !== 'notification') return undefined;
    if (frame.method === 'notifications/subscriptions/acknowledged' && !isMade) {
      isMade = true;
      settle(succeeded(Buffer.from(JSON.stringify({ subscribed: true, resource_uri: uri }))));
    }
    if (frame.method !== 'notifications/resources/updated') return undefined;
    const d = { resource_uri: frame.params['uri'] ?? uri };
    return Buffer.from(JSON.stringify({ g: GROUP, e: 'resource_updated', d }));
  };
  const tell =
    (way: 'interim' | 'urgent') =>
    (message: Buffer): void => {
      const packet = told(message);
      if (packet !== undefined) reply[way](packet);
    };
  return {
    interim: tell('interim'),
    urgent: tell('urgent'),
    final(message) {
      const answer = answerOf(message);
      if (!isMade) settle(answer);
      else {
        const d = { resource_uri: uri };
        reply.urgent(Buffer.from(JSON.stringify({ g: GROUP, e: 'subscription_ended', d })));
      }
    },
    dropped: () => (isMade ? reply.dropped() : settle(failed(cancelled()))),
  };
}

/** Where the members of a packet stand, and what they are. */
interface Told {
  readonly bytes: Buffer;
  readonly d: JsonObject;
  readonly places: ReadonlyMap<string, Span>;
  /** `_meta` of the request, in JSON. */
  readonly meta: string;
}

type Asked = Pick<Packet, 'request' | 'subscribes'>;

/** What each packet of the group `ai` asks for. */
const KINDS: Readonly<Record<string, (told: Told) => Asked>> = {
  query: (told) => callOf(told, 'ai_query'),
  tool_call: (told) => {
    const name = textOf(told, 'tool_name');
    return { request: call(name, rawOf(told, 'arguments') ?? '{}', told.meta) };
  },
  resource_access: accessOf,
  agent_spawn: spawnOf,
  collaborate: (told) => callOf(told, 'ai_collaborate'),
  learn: (told) => callOf(told, 'ai_learn'),
};

/** @throws STARLING_PROTOCOL_VIOLATION for a packet that is none of {@link KINDS}, or lacks what it needs */
function requestOf(bytes: Buffer, value: JsonObject, top: ReadonlyMap<string, Span>): Asked {
  const { g, e, d = {} } = value;
  const kind =
    g === GROUP && typeof e === 'string' && Object.hasOwn(KINDS, e) ? KINDS[e] : undefined;
  if (kind === undefined) {
    const name = printable(`${String(g)}:${String(e)}`, SHOWN_MAX);
    const known = Object.keys(KINDS).map((each) => `${GROUP}:${each}`);
    throw violation(`no packet is called ${name}`, `packets are ${known.join(', ')}`);
  }
  if (!isObject(d)) throw violation('"d" of a packet must be an object');
  const at = top.get('d');
  const places = at === undefined ? new Map<string, Span>() : membersOf(bytes, at.start);
  const context = top.get('ai_context');
  return kind({ bytes, d, places, meta: metaOf(bytes, d, value, context) });
}

/** `ai_context` travels whole, beside who asks and why. */
function metaOf(
  bytes: Buffer,
  d: JsonObject,
  { _meta }: JsonObject,
  context: Span | undefined,
): string {
  const { agent_id: agent, reasoning } = d;
  const given = isObject(_meta) ? _meta : {};
  if (context !== undefined && 'ai_context' in given) {
    throw violation('the packet has an "ai_context" of its own, and another in "_meta"');
  }
  const known: JsonObject = {
    ...given,
    [META.protocolVersion]: MODERN_VERSIONS[0],
    [META.clientCapabilities]: {},
    ...(typeof reasoning === 'string' ? { 'starling/reasoning': reasoning } : {}),
    ...(typeof agent === 'string' ? { agent_id: agent } : {}),
  };
  const text = JSON.stringify(known).slice(0, -1);
  if (context === undefined) return `${text}}`;
  return `${text},"ai_context":${bytes.toString('utf8', context.start, context.end)}}`;
}

/** A call of a built-in tool that has the packet's own fields. */
function callOf({ bytes, places, meta, d }: Told, tool: string): Asked {
  const members = Object.keys(d).map((key) => {
    const { start, end } = places.get(key) as Span;
    return `${JSON.stringify(key)}:${bytes.toString('utf8', start, end)}`;
  });
  return { request: call(`${BUILTIN_SERVER}__${tool}`, `{${members.join(',')}}`, meta) };
}

/** Fields of `ai:agent_spawn` that `agent_spawn` has by another name, or at all. */
const SPAWN_FIELDS: Readonly<Record<string, string>> = {
  agent_type: 'agentType',
  name: 'name',
  tools: 'tools',
};

/** What `agent_spawn` has no field for goes to the agent as its config. */
function spawnOf(told: Told): Asked {
  const fields: string[] = [];
  const config: string[] = [];
  for (const key of Object.keys(told.d)) {
    const field = Object.hasOwn(SPAWN_FIELDS, key) ? SPAWN_FIELDS[key] : undefined;
    const list = field === undefined ? config : fields;
    list.push(`${JSON.stringify(field ?? key)}:${rawOf(told, key) ?? 'null'}`);
  }
  if (config.length > 0) fields.push(`"config":{${config.join(',')}}`);
  // The agent is told all of it; the model is what it thinks with, where its kind and the caller let it.
  const { model_config: wanted } = told.d;
  const model = isObject(wanted) ? wanted['model'] : undefined;
  if (typeof model === 'string' && model !== '') fields.push(`"model":${JSON.stringify(model)}`);
  const name = `${BUILTIN_SERVER}__agent_spawn`;
  return { request: call(name, `{${fields.join(',')}}`, told.meta) };
}

function accessOf(told: Told): Asked {
  const uri = textOf(told, 'resource_uri');
  const { operation } = told.d;
  const meta = `"_meta":${told.meta}`;
  if (operation === 'read') {
    return { request: request('resources/read', `{"uri":${JSON.stringify(uri)},${meta}}`) };
  }
  if (operation === 'subscribe') {
    const filter = JSON.stringify({ resourceSubscriptions: [uri] });
    const params = `{"notifications":${filter},${meta}}`;
    return { request: request('subscriptions/listen', params), subscribes: uri };
  }
  if (operation === 'write') return { request: write(uri, told) };
  throw violation('"operation" of ai:resource_access must be read, write or subscribe');
}

/** MCP writes no resources; an entry of a board is written by its tool. */
function write(uri: string, told: Told): RequestFrame {
  const [board, ...key] = uri.startsWith(BOARD) ? uri.slice(BOARD.length).split('/') : [];
  if (board === undefined || board === '' || key.length === 0) {
    throw violation(
      `${printable(uri, SHOWN_MAX)} can't be written: MCP reads resources and has tools write`,
      `call a tool of its server by ai:tool_call, or write an entry of a board: ${BOARD}<board>/<key>`,
    );
  }
  const value = rawOf(told, 'data');
  if (value === undefined) throw violation('ai:resource_access needs "data" to write');
  const [boardText, keyText] = [decoded(board), decoded(key.join('/'))].map((text) =>
    JSON.stringify(text),
  );
  const args = `{"board":${boardText},"key":${keyText},"value":${value}}`;
  return call(`${BUILTIN_SERVER}__board_set`, args, told.meta);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw violation(`${printable(text, SHOWN_MAX)} is no part of a URI (RFC 3986 §2.1)`);
  }
}

function call(name: string, args: string, meta: string): RequestFrame {
  const params = `{"name":${JSON.stringify(name)},"arguments":${args},"_meta":${meta}}`;
  return request('tools/call', params);
}

/** @throws STARLING_PROTOCOL_VIOLATION as `parseFrame` does: a packet is held to the rules of any request */
function request(method: string, params: string): RequestFrame {
  const text = `{"jsonrpc":"2.0","id":0,"method":"${method}","params":${params}}`;
  const frame = parseFrame(Buffer.from(text));
  if (frame.kind !== 'request') throw violation('a packet must be a request');
  return frame;
}

function textOf({ d }: Told, key: string): string {
  const value = d[key];
  if (typeof value === 'string' && value !== '') return value;
  throw violation(`"d.${key}" of the packet must be a text`);
}

/** A member of `d` as it was written; undefined when it is absent. */
function rawOf({ bytes, places }: Told, key: string): string | undefined {
  const place = places.get(key);
  return place === undefined ? undefined : bytes.toString('utf8', place.start, place.end);
}

/**
 * Where the members of the object at `start` stand.
 * @throws STARLING_PROTOCOL_VIOLATION for a key that is repeated: two parsers could read two messages
 */
function membersOf(bytes: Buffer, start: number): ReadonlyMap<string, Span> {
  const members = new Map<string, Span>();
  let at = skipJsonSpace(bytes, start + 1);
  while (bytes[at] === JSON_BYTE.quote) {
    const keyEnd = endOfJsonString(bytes, at);
    const key = jsonStringAt(bytes, at, keyEnd);
    const valueStart = skipJsonSpace(bytes, skipJsonSpace(bytes, keyEnd) + 1);
    const end = endOfJsonValue(bytes, valueStart);
    if (members.has(key)) {
      throw violation(`the packet repeats the key ${printable(JSON.stringify(key), SHOWN_MAX)}`);
    }
    members.set(key, { start: valueStart, end });
    at = skipJsonSpace(bytes, end);
    if (bytes[at] !== JSON_BYTE.comma) break;
    at = skipJsonSpace(bytes, at + 1);
  }
  return members;
}

function idOf(bytes: Buffer, place: Span | undefined, id: Json | undefined): string | undefined {
  if (place === undefined || id === null) return undefined;
  const text = bytes.toString('utf8', place.start, place.end);
  if ((typeof id === 'string' || typeof id === 'number') && text.length <= ID_MAX) return text;
  throw violation(`"id" of a packet must be a text or a number of at most ${ID_MAX} characters`);
}

/** The answer to a packet, of the answer to its request. */
function answerOf(message: Buffer): Buffer {
  const { result } = scanSpans(message);
  if (result === undefined) {
    const frame = parseFrame(message);
    const error = frame.kind === 'response' ? frame.error : undefined;
    return failedBy(error ?? errorOf(undefined));
  }
  const data = message.subarray(result.start, result.end);
  const value = tryParse(data);
  if (!isObject(value) || value['isError'] !== true) return succeeded(data);
  const error = { code: RPC.internal, message: textIn(value) };
  const head = `{"success":false,"error":${JSON.stringify(error)},"data":`;
  return Buffer.concat([Buffer.from(head), data, Buffer.from('}')]);
}

/** What a tool says of its failure. */
function textIn({ content }: JsonObject): string {
  const texts = (Array.isArray(content) ? (content as readonly Json[]) : []).flatMap((part) =>
    isObject(part) && typeof part['text'] === 'string' ? [part['text']] : [],
  );
  return texts.length === 0 ? 'the tool failed' : texts.join('\n');
}

function succeeded(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from('{"success":true,"data":'), data, Buffer.from('}')]);
}

function failed(error: StarlingError): Buffer {
  return failedBy(errorOf(error));
}

function failedBy(error: object): Buffer {
  return Buffer.from(JSON.stringify({ success: false, error }));
}

/** The answer with the packet's id at its front. */
function withId(answer: Buffer, id: string | undefined): Buffer {
  if (id === undefined) return answer;
  return Buffer.concat([Buffer.from(`{"id":${id},`), answer.subarray(1)]);
}

function tryParse(bytes: Buffer): Json | undefined {
  try {
    return JSON.parse(bytes.toString('utf8')) as Json;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function violation(what: string, hint?: string): StarlingError {
  return new StarlingError('STARLING_PROTOCOL_VIOLATION', what, {
    data: { rpc: RPC.invalidParams },
    ...(hint === undefined ? {} : { hint }),
  });
}

function cancelled(): StarlingError {
  return new StarlingError('STARLING_STOPPED', 'the call of the packet was given up');
}

function tooMany(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `${WAITING_MAX} packets of this connection wait for their answers`,
    { hint: 'wait for some of them, or give packets an id: then none waits for another' },
  );
}

function tooMuch(): StarlingError {
  return new StarlingError(
    'STARLING_LIMIT_EXCEEDED',
    `answers of over ${WAITING_BYTES_MAX} bytes wait for the answer to an earlier packet`,
    { hint: 'give packets an id: then none waits for another' },
  );
}
