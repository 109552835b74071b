/** What every peer offers, as it lists it to us: bounded, checked, and nothing more. */
import { EventEmitter } from 'node:events';
import type { ZodType } from 'zod';
import type { JsonObject, Logger, PeerId } from '../core/index.ts';
import { promptShape, resourceShape, templateShape, toolShape } from './shapes.ts';
import type { Directory, DirectoryEvents, ServerCatalog, ServerItems } from './types.ts';

const DEPTH_MAX = 64;
const DROPPED_LOGGED_MAX = 10;

/** Bounds of what one peer or server may list. */
export interface CatalogLimits {
  /** Items of each kind. */
  readonly tools: number;
  readonly bytes: number;
}

type Kind = keyof ServerItems;

/** Shape and distinguishing key of each kind of item. */
const KINDS: Readonly<Record<Kind, { readonly shape: ZodType; readonly key: string }>> = {
  tools: { shape: toolShape, key: 'name' },
  resources: { shape: resourceShape, key: 'uri' },
  templates: { shape: templateShape, key: 'uriTemplate' },
  prompts: { shape: promptShape, key: 'name' },
};
const KIND_NAMES = Object.keys(KINDS) as readonly Kind[];

/** Makes an empty directory. */
export function createDirectory(
  components: { readonly logger: Logger },
  limits: CatalogLimits,
): Directory {
  const catalogs = new Map<PeerId, readonly ServerCatalog[]>();
  const events = new EventEmitter<DirectoryEvents>();
  return {
    events,
    servers: (peer) => catalogs.get(peer) ?? [],
    peers: () => [...catalogs.keys()],
    set(peer, servers) {
      const sound = soundCatalogs(servers, limits, components.logger.child(peer));
      if (JSON.stringify(catalogs.get(peer)) === JSON.stringify(sound)) return;
      catalogs.set(peer, sound);
      events.emit('change', peer);
    },
    clear(peer) {
      if (catalogs.delete(peer)) events.emit('change', peer);
    },
  };
}

/** {@link soundItems} of several servers under one limit. */
export function soundCatalogs(
  servers: readonly ServerCatalog[],
  limits: CatalogLimits,
  logger: Logger,
): readonly ServerCatalog[] {
  let left = limits;
  return servers.map((catalog) => {
    const items = soundItems(catalog, left, logger);
    const sizeBytes = KIND_NAMES.reduce((sum, kind) => sum + jsonBytes(items[kind]), 0);
    left = { tools: Math.max(0, left.tools - items.tools.length), bytes: left.bytes - sizeBytes };
    return { ...catalog, ...items };
  });
}

/**
 * The items of a server that are well-formed, at most as many as `limits` allow. Lists come from
 * servers and peers that may be hostile: what does not fit is dropped and logged.
 */
export function soundItems(
  listed: Readonly<Record<Kind, readonly unknown[]>>,
  limits: CatalogLimits,
  logger: Logger,
): ServerItems {
  const budget = { bytes: limits.bytes };
  const sound = (kind: Kind): readonly JsonObject[] =>
    soundOf(kind, listed[kind], { count: limits.tools, budget, logger });
  return {
    tools: sound('tools') as ServerItems['tools'],
    resources: sound('resources') as ServerItems['resources'],
    templates: sound('templates') as ServerItems['templates'],
    prompts: sound('prompts') as ServerItems['prompts'],
  };
}

function soundOf(
  kind: Kind,
  listed: readonly unknown[],
  bounds: { readonly count: number; readonly budget: { bytes: number }; readonly logger: Logger },
): readonly JsonObject[] {
  const { shape, key } = KINDS[kind];
  const { budget, logger } = bounds;
  const sound: JsonObject[] = [];
  const seen = new Set<unknown>();
  let dropped = 0;
  for (const item of listed) {
    if (!isSound(item, shape) || seen.has(item[key])) {
      // One line for each of the first few: a hostile list must not fill the log.
      if (dropped < DROPPED_LOGGED_MAX) {
        logger.debug({ kind, item: labelOf(item, key) }, 'malformed or repeated item dropped');
      }
      dropped += 1;
      continue;
    }
    const sizeBytes = jsonBytes(item);
    if (sound.length >= bounds.count || sizeBytes > budget.bytes) {
      logger.warn({ kind, listed: listed.length, kept: sound.length }, 'list cut at its limit');
      break;
    }
    budget.bytes -= sizeBytes;
    seen.add(item[key]);
    sound.push(item);
  }
  if (dropped > 0) logger.info({ kind, dropped, kept: sound.length }, 'malformed items dropped');
  return sound;
}

function isSound(value: unknown, shape: ZodType): value is JsonObject {
  return isShallow(value, DEPTH_MAX) && shape.safeParse(value).success;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value as JsonObject).every((inner) => isShallow(inner, depth - 1));
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value));
}

function labelOf(value: unknown, key: string): string {
  const label: unknown =
    typeof value === 'object' && value !== null && key in value
      ? (value as JsonObject)[key]
      : value;
  return typeof label === 'string' ? JSON.stringify(label.slice(0, 128)) : typeof label;
}
