/**
 * What servers and peers list, made into what every client takes. Lists come from servers that are written
 * by all the world, and from peers that may be hostile: what can be mended is mended, what can't is left
 * out, and both are told.
 */
import type { ZodObject } from 'zod';
import { createExactNames, isObject, printable } from '../core/index.ts';
import type { ExactNames, Json, JsonObject } from '../core/index.ts';
import { objectSchema } from './object-schema.ts';
import { NAME_FORM, promptShape, resourceShape, templateShape, toolShape } from './item-schemas.ts';
import type { ItemKind, ServerItems } from './types.ts';

/** Bounds of what one peer or server may list. */
export interface CatalogLimits {
  /** Items of each kind. */
  readonly tools: number;
  readonly bytes: number;
}

/** Something of a list that is not offered as it was listed. */
export interface ItemRemark {
  readonly kind: ItemKind;
  /** Its name or URI, made safe to show; empty where it has none, or where many are meant. */
  readonly name: string;
  /** What is left out of the item or why the item itself is, as it goes on from the item's name. */
  readonly text: string;
  /** False when the item is offered, less something. */
  readonly isLeftOut: boolean;
  /** Of items that are over a limit: how many. */
  readonly overLimit?: number;
}

/** What of a list is offered, and what was remarked. */
export interface SoundItems {
  readonly items: ServerItems;
  /** At most {@link REMARKS_MAX}. */
  readonly remarks: readonly ItemRemark[];
}

type Kind = keyof ServerItems;
type Shape = ZodObject;

interface KindFacts {
  readonly noun: ItemKind;
  readonly shape: Shape;
  readonly key: string;
  /** Its members, which must be written just so. */
  readonly exact: ExactNames;
  /** What may be left off an item. */
  readonly optional: readonly string[];
}

/** Remarks on one server's lists that are kept; a hostile list must not fill the memory. */
export const REMARKS_MAX = 1000;
const DEPTH_MAX = 64;
const NAME_SHOWN = 128;
const COMMON = ['title', 'description', 'icons', '_meta'];
/** Of these, a member that is wrong is left off, and the others stay. */
const MEMBERWISE = new Set(['annotations', 'execution']);

const KINDS: Readonly<Record<Kind, KindFacts>> = {
  tools: {
    noun: 'tool',
    shape: toolShape,
    exact: namesOf(toolShape),
    key: 'name',
    optional: [...COMMON, 'outputSchema', 'annotations', 'execution'],
  },
  resources: {
    noun: 'resource',
    shape: resourceShape,
    exact: namesOf(resourceShape),
    key: 'uri',
    optional: [...COMMON, 'mimeType', 'size', 'annotations'],
  },
  templates: {
    noun: 'template',
    shape: templateShape,
    exact: namesOf(templateShape),
    key: 'uriTemplate',
    optional: [...COMMON, 'mimeType', 'annotations'],
  },
  prompts: {
    noun: 'prompt',
    shape: promptShape,
    exact: namesOf(promptShape),
    key: 'name',
    optional: COMMON,
  },
};

/**
 * The items of a server that clients take, at most as many as `limits` allow. What has the form already stays
 * the same object.
 */
export function soundItems(
  listed: Readonly<Record<Kind, readonly unknown[]>>,
  limits: CatalogLimits,
): SoundItems {
  const remarks: ItemRemark[] = [];
  const budget = { bytes: limits.bytes };
  const sound = (kind: Kind): readonly JsonObject[] =>
    soundOf(KINDS[kind], listed[kind], { count: limits.tools, budget, remarks });
  const items: ServerItems = {
    tools: sound('tools') as ServerItems['tools'],
    resources: sound('resources') as ServerItems['resources'],
    templates: sound('templates') as ServerItems['templates'],
    prompts: sound('prompts') as ServerItems['prompts'],
  };
  return { items, remarks };
}

function namesOf(shape: Shape): ExactNames {
  return createExactNames(Object.keys(shape.shape));
}

function soundOf(
  facts: KindFacts,
  listed: readonly unknown[],
  bounds: {
    readonly count: number;
    readonly budget: { bytes: number };
    readonly remarks: ItemRemark[];
  },
): readonly JsonObject[] {
  const { key, noun } = facts;
  const { budget, remarks } = bounds;
  const sound: JsonObject[] = [];
  const seen = new Set<unknown>();
  const remark = (name: string, text: string, isLeftOut: boolean): void => {
    if (remarks.length < REMARKS_MAX) remarks.push({ kind: noun, name, text, isLeftOut });
  };
  const overLimit = (count: number, limit: string): void => {
    if (remarks.length >= REMARKS_MAX) return;
    const text = `${count} of ${listed.length} are over ${limit}`;
    remarks.push({ kind: noun, name: '', text, isLeftOut: true, overLimit: count });
  };
  for (const [index, one] of listed.entries()) {
    // A hundred thousand items of which none has the form would hold up everybody else for seconds.
    if (index >= bounds.count + REMARKS_MAX) {
      overLimit(listed.length - index, 'limits.tools');
      break;
    }
    const name = nameOf(one, key);
    const found = soundItem(facts, one as Json);
    const id = found.item?.[key];
    // Grants speak of names in this form, so that two names which are equal in it are one.
    const unique = typeof id === 'string' && key === 'name' ? id.normalize('NFC') : id;
    if (found.item === undefined) remark(name, found.wrong, true);
    else if (seen.has(unique)) remark(name, 'its name comes twice; the first one counts', true);
    else {
      const sizeBytes = Buffer.byteLength(JSON.stringify(found.item));
      if (sound.length >= bounds.count || sizeBytes > budget.bytes) {
        const limit =
          sound.length >= bounds.count ? 'limits.tools' : 'the bytes that one catalog may have';
        overLimit(listed.length - index, limit);
        break;
      }
      budget.bytes -= sizeBytes;
      seen.add(unique);
      sound.push(found.item);
      for (const part of found.without) remark(name, `it is taken without its ${part}`, false);
    }
  }
  return sound;
}

type Sound =
  | { readonly item: JsonObject; readonly without: readonly string[] }
  | { readonly item?: undefined; readonly wrong: string };

function soundItem(facts: KindFacts, given: Json): Sound {
  if (!isObject(given)) return { wrong: 'it is no object' };
  const { item: value, twins } = withoutTwins(facts, given);
  if (twins.length === 0) return itemInForm(facts, value);
  const found = itemInForm(facts, value);
  return found.item === undefined ? found : { ...found, without: [...twins, ...found.without] };
}

/**
 * Leaves off members that some client reads as one that we pin or show: such a client would show another
 * definition than the one that was approved.
 */
function withoutTwins(
  { exact }: KindFacts,
  item: JsonObject,
): { readonly item: JsonObject; readonly twins: readonly string[] } {
  const twins = Object.keys(item).filter((key) => exact.mistakenFor(key) !== undefined);
  if (twins.length === 0) return { item, twins };
  const kept = Object.entries(item).filter(([key]) => !twins.includes(key));
  return { item: Object.fromEntries(kept), twins: twins.map((key) => printable(key, NAME_SHOWN)) };
}

function itemInForm(facts: KindFacts, value: JsonObject): Sound {
  if (!isShallow(value, DEPTH_MAX)) return { wrong: `it is nested deeper than ${DEPTH_MAX}` };
  if (facts.shape.safeParse(value).success) return { item: value, without: [] };
  const mended = facts.noun === 'tool' ? withObjectSchemas(value) : { item: value, without: [] };
  if (mended.item === undefined) return mended;
  return withoutWrongParts(facts, mended.item, mended.without);
}

/** A tool whose schemas have the form that clients take; of a bad one for results the tool is rid. */
function withObjectSchemas(tool: JsonObject): Sound {
  const input = objectSchema(tool['inputSchema']);
  if ('wrong' in input) return { wrong: `its inputSchema ${input.wrong}` };
  const { outputSchema, ...others } = tool;
  const rest: JsonObject = { ...others, inputSchema: input.schema };
  if (outputSchema === undefined || outputSchema === null) return { item: rest, without: [] };
  const output = objectSchema(outputSchema);
  if ('wrong' in output) return { item: rest, without: [`outputSchema, which ${output.wrong}`] };
  return { item: { ...rest, outputSchema: output.schema }, without: [] };
}

/** What is `null` is absent; what is wrong and not needed is left off. */
function withoutWrongParts(
  { shape, optional, noun, key }: KindFacts,
  value: JsonObject,
  before: readonly string[],
): Sound {
  let item = withoutNulls(value);
  const without = [...before];
  // Resources are for people to choose by name; the URI is one.
  if ((noun === 'resource' || noun === 'template') && item['name'] === undefined) {
    item = { ...item, name: item[key] ?? '' };
  }
  const parsed = shape.safeParse(item);
  for (const issue of parsed.error?.issues ?? []) {
    const [part, member] = issue.path.map(String);
    if (part === undefined || !optional.includes(part)) {
      return { wrong: part === key ? `its ${key} is not ${formOf(key)}` : wrongPart(part) };
    }
    const holder = item[part];
    if (MEMBERWISE.has(part) && member !== undefined && isObject(holder)) {
      const { [member]: _, ...others } = holder;
      item = { ...item, [part]: others };
      without.push(`${part}.${printable(member, NAME_SHOWN)}`);
    } else if (holder !== undefined) {
      const { [part]: _, ...others } = item;
      item = others;
      without.push(part);
    }
  }
  return shape.safeParse(item).success
    ? { item, without }
    : { wrong: 'it does not have the form of MCP' };
}

function wrongPart(part: string | undefined): string {
  return part === undefined ? 'it has no form' : `its ${part} is missing or has another form`;
}

function formOf(key: string): string {
  return key === 'name' ? NAME_FORM : 'text of 1 to 8192 characters';
}

/** Leaves off members that are `null`, of the item and of what it holds besides schemas. */
function withoutNulls(item: JsonObject): JsonObject {
  const entries = Object.entries(item).flatMap(([key, value]): [string, Json][] => {
    if (value === null || value === undefined) return [];
    if (key === 'inputSchema' || key === 'outputSchema' || key === '_meta') return [[key, value]];
    if (Array.isArray(value)) {
      const list = value as readonly Json[];
      return [[key, list.map((one) => (isObject(one) ? withoutNulls(one) : one))]];
    }
    return [[key, isObject(value) ? withoutNulls(value) : value]];
  });
  return Object.fromEntries(entries);
}

function nameOf(value: unknown, key: string): string {
  const name = isObject(value) ? value[key] : undefined;
  return typeof name === 'string' ? remarkedName(name) : '';
}

/** A name as the remarks on its item write it: printable, and cut. */
export function remarkedName(name: string): string {
  return printable(name, NAME_SHOWN);
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value as JsonObject).every((inner) => isShallow(inner, depth - 1));
}
