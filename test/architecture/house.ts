/**
 * The rules of the house as one function over texts: files in, violations out. Knows nothing of the
 * disk, so that a test can plant a violation and see it caught.
 */
import { posix } from 'node:path';
import {
  CALL_PATH,
  FLOORS,
  FOLDERS,
  HOMES,
  LOADED,
  OPEN_ROOMS,
  SIM_DOORS,
  TYPE_DOORS,
} from './floors.ts';
import { readImports } from './imports.ts';
import type { FileImports, Import } from './imports.ts';

/** The rule that a violation breaks. */
export type Rule =
  | 'room' // a file lies in no room of the table, or a folder has no floor in its room
  | 'floor' // a room imports from its own floor or from above
  | 'folder' // a folder imports from its own floor or from above, inside one room
  | 'door' // a room is entered by another file than its door
  | 'cycle' // files import each other, by value or by type
  | 'library' // a library is imported outside of its home
  | 'loader' // code is loaded in a way that this checker cannot follow
  | 'call path' // zod can be reached from where calls pass
  | 'loaded' // `starling --help` or the page of the operator loads more than it may
  | 'sim'; // the simulator reaches inside

/** One broken rule. `text` names both ends and is the same in each run. */
export interface Violation {
  readonly rule: Rule;
  readonly text: string;
}

/** One import with both ends; `to` is a path below the root, or a library's name as written. */
interface Edge {
  readonly from: string;
  readonly to: string;
  readonly kind: Import['kind'];
  /** False for a library or a module of Node. */
  readonly isFile: boolean;
}

interface House {
  /** Paths below the root: `src/core/errors.ts`, `sim/run.ts`. */
  readonly files: ReadonlyMap<string, FileImports>;
  readonly edges: readonly Edge[];
}

/** Every violation in `files` (path below the root → text), sorted. */
export function findViolations(files: ReadonlyMap<string, string>): Violation[] {
  const house = readHouse(files);
  const src = house.edges.filter(({ from }) => from.startsWith('src/'));
  return [
    ...roomless(house),
    ...src.flatMap((edge) => (edge.isFile ? fileRules(edge) : libraryRules(edge))),
    ...[...house.files].flatMap(([from, { loaders }]) =>
      from.startsWith('src/')
        ? loaders.map((loader) => violation('loader', `${from}: ${loader}`))
        : [],
    ),
    ...cycles(house),
    ...callPath(house),
    ...loaded(house),
    ...house.edges.filter(isBreakIn).map(({ from, to }) => violation('sim', `${from} → ${to}`)),
  ].sort((a, b) => (a.text < b.text ? -1 : a.text > b.text ? 1 : 0));
}

/** Entries of the table that nothing in the house answers to. */
export function findUnused(
  files: ReadonlyMap<string, string>,
  dependencies: readonly string[],
): string[] {
  const { edges } = readHouse(files);
  const exists = (prefix: string): boolean =>
    [...files.keys()].some((path) => path === `src/${prefix}` || path.startsWith(`src/${prefix}/`));
  const lost = FLOORS.flat().filter((room) => !exists(room));
  const lostFolders = Object.entries(FOLDERS).flatMap(([room, floors]) =>
    floors
      .flat()
      .filter((place) => place !== '*')
      .map((place) => `${room}/${place}`)
      .filter((place) => !exists(place)),
  );
  const homeless = dependencies.filter((name) => homesOf(name) === undefined);
  const idleHomes = Object.entries(HOMES).flatMap(([library, homes]) =>
    homes
      .filter((home) => !edges.some((edge) => isOf(edge, library) && isIn(edge.from, [home])))
      .map((home) => `${library} in ${home}`),
  );
  const idleLibraries = Object.keys(HOMES).filter(
    (library) =>
      !library.startsWith('node:') && !library.endsWith('/*') && !dependencies.includes(library),
  );
  return [
    ...lost.map((room) => `no such room: ${room}`),
    ...lostFolders.map((place) => `no such place: ${place}`),
    ...homeless.map((name) => `no home for the dependency ${name}`),
    ...idleHomes.map((home) => `nobody imports ${home}`),
    ...idleLibraries.map((name) => `no such dependency: ${name}`),
  ];
}

function readHouse(files: ReadonlyMap<string, string>): House {
  const read = new Map([...files].map(([path, text]) => [path, readImports(path, text)] as const));
  const edges = [...read].flatMap(([from, { imports }]) =>
    imports.map(({ target, kind }): Edge => {
      const isFile = target.startsWith('.');
      const to = isFile ? posix.join(posix.dirname(from), target) : target;
      return { from, to, kind, isFile };
    }),
  );
  return { files: read, edges };
}

function roomless({ files }: House): Violation[] {
  return [...files.keys()]
    .filter((path) => path.startsWith('src/'))
    .filter((path) => {
      const room = roomOf(path);
      if (floorOf(room) === -1) return true;
      return insideOf(path).includes('/')
        ? folderFloorOf(path) === -1
        : FOLDERS[room] !== undefined && !isDoor(path) && folderFloorOf(path) === -1;
    })
    .map((path) => violation('room', path));
}

function fileRules({ from, to, kind }: Edge): Violation[] {
  const arrow = `${from} → ${to}${kind === 'type' ? ' (type)' : ''}`;
  const room = roomOf(from);
  if (!to.startsWith('src/')) {
    // The command line starts the simulator, and only when somebody asks for it.
    const isAsked = ['sim', 'demo'].some((name) => from === `src/cli/commands/${name}.ts`);
    const allowed = isAsked && to === 'sim/run.ts' && kind === 'lazy';
    return allowed ? [] : [violation('floor', arrow)];
  }
  const other = roomOf(to);
  if (room === other) return isAboveInside(from, to) ? [violation('folder', arrow)] : [];
  if (floorOf(other) >= floorOf(room)) return [violation('floor', arrow)];
  const open = OPEN_ROOMS[other] ?? [];
  if (open.includes('*') || open.includes(room) || isDoor(to)) return [];
  const byType = insideOf(to) === 'types.ts' || TYPE_DOORS.includes(to.slice('src/'.length));
  return byType && kind === 'type' ? [] : [violation('door', arrow)];
}

function isAboveInside(from: string, to: string): boolean {
  const floors = FOLDERS[roomOf(from)];
  if (floors === undefined) return false;
  const place = placeOf(from);
  const other = placeOf(to);
  // Files of one folder, and flat files that share a line, may see each other: cycles are looked for apart.
  if (place === other || isDoor(from)) return false;
  return isDoor(to) || folderFloorOf(to) >= folderFloorOf(from);
}

function libraryRules({ from, to, kind }: Edge): Violation[] {
  const homes = homesOf(to);
  if (homes === undefined) {
    return to.startsWith('node:') ? [] : [violation('library', `${from}: ${to} (no home)`)];
  }
  const isKept = isIn(from, homes);
  return isKept ? [] : [violation('library', `${from}: ${to}${kind === 'type' ? ' (type)' : ''}`)];
}

/** Each knot of files that import each other, named by its shortest circle. */
function cycles({ files, edges }: House): Violation[] {
  const next = new Map<string, string[]>();
  for (const { from, to, isFile } of edges) {
    if (isFile && files.has(to)) next.set(from, [...(next.get(from) ?? []), to]);
  }
  return knots([...files.keys()].sort(), next).map((knot) =>
    violation('cycle', shortestCircle(knot, next).join(' → ')),
  );
}

/** Tarjan's strongly connected components (SIAM J. Comput. 1972), those of more than one file. */
function knots(files: readonly string[], next: ReadonlyMap<string, readonly string[]>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const connect = (file: string): void => {
    index.set(file, index.size);
    low.set(file, index.size - 1);
    stack.push(file);
    for (const to of next.get(file) ?? []) {
      if (!index.has(to)) connect(to);
      if (stack.includes(to)) low.set(file, Math.min(low.get(file) ?? 0, low.get(to) ?? 0));
    }
    if (low.get(file) !== index.get(file)) return;
    const knot = stack.splice(stack.indexOf(file));
    if (knot.length > 1 || next.get(file)?.includes(file)) found.push(knot.sort());
  };
  for (const file of files) if (!index.has(file)) connect(file);
  return found;
}

function shortestCircle(
  knot: readonly string[],
  next: ReadonlyMap<string, readonly string[]>,
): string[] {
  const inside = new Set(knot);
  const circles = knot.map((start) => {
    const paths: string[][] = [[start]];
    const seen = new Set<string>();
    for (const path of paths) {
      for (const to of next.get(path.at(-1) ?? '') ?? []) {
        if (to === start) return [...path, start];
        if (!inside.has(to) || seen.has(to)) continue;
        seen.add(to);
        paths.push([...path, to]);
      }
    }
    return knot;
  });
  return [...(circles.sort((a, b) => a.length - b.length)[0] ?? knot)];
}

/**
 * Follows value imports from the places where calls pass, inside each room: what lies behind
 * another room's door is that room's own affair.
 */
function callPath({ files, edges }: House): Violation[] {
  const roots = [...files.keys()].filter((path) => isIn(path, CALL_PATH));
  const reached = reach(
    roots,
    edges,
    (edge) => !edge.isFile || roomOf(edge.from) === roomOf(edge.to),
  );
  return reached
    .filter((edge) => isOf(edge, 'zod'))
    .map(({ path }) => violation('call path', path.join(' → ')));
}

function loaded({ edges }: House): Violation[] {
  return Object.entries(LOADED).flatMap(([file, places]) =>
    reach([`src/${file}`], edges, ({ from }) => isIn(from, places))
      .filter((edge) => !isIn(edge.to, places) && !places.some((place) => isOf(edge, place)))
      .filter(({ to }) => !to.startsWith('node:') || !file.startsWith('cli/'))
      .map(({ path }) => violation('loaded', path.join(' → '))),
  );
}

/** Each edge that value imports lead to from `roots`, with one shortest path to its end. */
function reach(
  roots: readonly string[],
  edges: readonly Edge[],
  follows: (edge: Edge) => boolean,
): (Edge & { readonly path: readonly string[] })[] {
  const queue = roots.map((file) => [file]);
  const seen = new Set<string>(roots);
  const reached: (Edge & { readonly path: readonly string[] })[] = [];
  for (const path of queue) {
    for (const edge of edges) {
      if (edge.from !== path.at(-1) || edge.kind !== 'value' || seen.has(edge.to)) continue;
      if (!follows(edge)) continue;
      if (edge.isFile) seen.add(edge.to);
      reached.push({ ...edge, path: [...path, edge.to] });
      if (edge.isFile) queue.push([...path, edge.to]);
    }
  }
  return reached;
}

function isBreakIn({ from, to, isFile }: Edge): boolean {
  return from.startsWith('sim/') && isFile && to.startsWith('src/') && !SIM_DOORS.includes(to);
}

function violation(rule: Rule, text: string): Violation {
  return { rule, text };
}

/** `src/core/errors.ts` → `core`; `src/node.ts` → `node.ts`. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? '';
}

/** The path below its room: `src/gateway/wire/era.ts` → `wire/era.ts`. */
function insideOf(path: string): string {
  return path.split('/').slice(2).join('/');
}

/** The folder or flat file that has a floor of its own in its room; `*` for a flat file that has none. */
function placeOf(path: string): string {
  const place = insideOf(path).split('/')[0] ?? '';
  const isNamed = (FOLDERS[roomOf(path)] ?? []).flat().includes(place);
  return isNamed || insideOf(path).includes('/') ? place : '*';
}

/** `index.ts` of a room, or a room that is one file. */
function isDoor(path: string): boolean {
  return insideOf(path) === 'index.ts' || insideOf(path) === '';
}

function floorOf(room: string): number {
  return FLOORS.findIndex((floor) => floor.includes(room));
}

function folderFloorOf(path: string): number {
  const floors = FOLDERS[roomOf(path)] ?? [];
  return floors.findIndex((floor) => floor.includes(placeOf(path)));
}

/** `path` is one of `places`, or lies below one that ends in `/`; places are paths below `src`. */
function isIn(path: string, places: readonly string[]): boolean {
  return places.some((place) =>
    place.endsWith('/') ? path.startsWith(`src/${place}`) : path === `src/${place}`,
  );
}

/** The homes of the library that `specifier` belongs to; undefined when the table names none. */
function homesOf(specifier: string): readonly string[] | undefined {
  const name = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  const scope = name.startsWith('@') ? `${name.split('/')[0]}/*` : '';
  return HOMES[name] ?? HOMES[scope];
}

function isOf({ to, isFile }: Edge, library: string): boolean {
  if (isFile) return false;
  return library.endsWith('/*')
    ? to.startsWith(library.slice(0, -1))
    : to === library || to.startsWith(`${library}/`);
}
