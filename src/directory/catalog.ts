/** The tools of every peer, as each lists them to us: bounded, checked, and nothing more. */
import { EventEmitter } from 'node:events';
import type { JsonObject, Logger, PeerId } from '../core/index.ts';
import { toolShape } from './tool-shape.ts';
import type { Directory, DirectoryEvents, ListedTool } from './types.ts';

const DEPTH_MAX = 64;
const DROPPED_LOGGED_MAX = 10;

/** Bounds of what one peer or server may list. */
export interface CatalogLimits {
  readonly tools: number;
  readonly bytes: number;
}

/** Makes an empty directory. */
export function createDirectory(
  components: { readonly logger: Logger },
  limits: CatalogLimits,
): Directory {
  const catalogs = new Map<PeerId, readonly ListedTool[]>();
  const events = new EventEmitter<DirectoryEvents>();
  return {
    events,
    tools: (peer) => catalogs.get(peer) ?? [],
    peers: () => [...catalogs.keys()],
    set(peer, tools) {
      const sound = soundTools(tools, limits, components.logger.child(peer));
      if (JSON.stringify(catalogs.get(peer)) === JSON.stringify(sound)) return;
      catalogs.set(peer, sound);
      events.emit('change', peer);
    },
    clear(peer) {
      if (catalogs.delete(peer)) events.emit('change', peer);
    },
  };
}

/**
 * The tools of a list that are well-formed, at most as many as `limits` allow. Lists come from
 * servers and peers that may be hostile: what does not fit is dropped and logged.
 */
export function soundTools(
  listed: readonly unknown[],
  limits: CatalogLimits,
  logger: Logger,
): readonly ListedTool[] {
  const sound: ListedTool[] = [];
  const names = new Set<string>();
  let sizeBytes = 0;
  let dropped = 0;
  for (const tool of listed) {
    if (!isTool(tool) || names.has(tool.name)) {
      // One line for each of the first few: a hostile list must not fill the log.
      if (dropped < DROPPED_LOGGED_MAX) {
        logger.debug({ tool: nameOf(tool) }, 'malformed or repeated tool dropped');
      }
      dropped += 1;
      continue;
    }
    sizeBytes += Buffer.byteLength(JSON.stringify(tool));
    if (sound.length >= limits.tools || sizeBytes > limits.bytes) {
      logger.warn({ listed: listed.length, kept: sound.length }, 'list of tools cut at its limit');
      break;
    }
    names.add(tool.name);
    sound.push(tool);
  }
  if (dropped > 0) logger.info({ dropped, kept: sound.length }, 'malformed tools dropped');
  return sound;
}

function isTool(value: unknown): value is ListedTool {
  return isShallow(value, DEPTH_MAX) && toolShape.safeParse(value).success;
}

function isShallow(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  return Object.values(value as JsonObject).every((inner) => isShallow(inner, depth - 1));
}

function nameOf(value: unknown): string {
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : value;
  return typeof name === 'string' ? JSON.stringify(name.slice(0, 128)) : typeof name;
}
