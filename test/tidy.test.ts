/** House rules that a program can check. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ERRORS } from '../src/core/index.ts';

const ROOT = resolve(import.meta.dirname, '..');

function files(folder: string, ending: RegExp): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && ending.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

const source = [...files('src', /\.tsx?$/), ...files('sim', /\.tsx?$/)];
const everything = [...source, ...files('test', /\.(tsx?|mjs)$/)];

function findings(paths: readonly string[], rule: (line: string) => boolean): string[] {
  return paths.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, index) =>
        rule(line) ? [`${relative(ROOT, path)}:${index + 1}: ${line.trim()}`] : [],
      ),
  );
}

/**
 * Where tests may set a timer or read the time, and why no event can be awaited there. A test that
 * waits for a fixed time is slow on a quiet machine and red on a busy one.
 */
const MAY_TIME: ReadonlyMap<string, string> = new Map([
  [
    'test/network/support.ts',
    'asks again until something holds that no event tells of; a quick clock',
  ],
  ['test/gateway/support/clients.ts', 'asks again until something holds that no event tells of'],
  ['test/e2e/support.ts', 'asks other processes again until something holds'],
  ['test/e2e/mesh/chain.ts', 'a client that tries again and again'],
  [
    'test/e2e/node/crash.test.ts',
    'kills a process after a seeded time, and knows how long a rate had',
  ],
  [
    'test/e2e/node/debugger.test.ts',
    'signals a process in the first moments of its start, of which nothing tells',
  ],
  [
    'test/e2e/node/bad-input.test.ts',
    'a ticket of another process has expired when its time is over',
  ],
  ['test/cli/json-shapes.test.ts', 'writes again and again until a command has shown one'],
  ['test/membership/goodbye.test.ts', 'publishes again and again until gossip has its stream'],
  ['test/network/lifecycle.test.ts', 'publishes again and again until gossip reaches all'],
  [
    'test/membership/audit/checkpoint-exchange.test.ts',
    'asks again in each turn until something holds; an end to waiting',
  ],
  ['test/e2e/mesh/namespaces.ts', 'the time makes a name that no other run has'],
  ['test/gateway/session/limits.test.ts', 'nothing tells that the buffers of the system are full'],
  [
    'test/gateway/transports/listen.test.ts',
    'holds its own thread, so that nobody is accepted; an end to waiting',
  ],
  [
    'test/core/time/clock.test.ts',
    'the clock of the machine itself, with timers that the test moves',
  ],
  ['test/gateway/support/jump-clock.ts', 'a clock'],
  ['test/gateway/support/upstream-bench.ts', 'a clock'],
  ['test/gateway/hostile/well-behaved.ts', 'paces clients; an end to waiting'],
  ['test/gateway/hostile/judge.ts', 'an end to waiting'],
  ['test/gateway/hostile/posts.ts', 'an end to waiting'],
  ['test/run-folder.ts', 'gives processes that are about to end the time for it'],
  ['test/mutation/runner.ts', 'an end to waiting for a mutant'],
  ['test/mutation/try-mutants.ts', 'an end to waiting for a process'],
  ['test/mutation/run.ts', 'tells how long it took'],
  ['test/live/live.ts', 'tells how long real vendors took'],
  ['test/nodes/run.ts', 'tells how long each release took'],
  ['test/pictures/scene.ts', 'asks other processes again until something holds'],
  ['test/compat/run.ts', 'asks other processes again until something holds'],
  ['test/conformance/a2a.ts', 'plays a task that takes seconds, for a kit that comes back to it'],
  ['test/conformance/fixture/tools.ts', 'tools that the conformance suite wants slow'],
  ['test/conformance/mesh.ts', 'asks other processes again; an end to waiting'],
  ['test/conformance/proxy.ts', 'an end to waiting'],
  ['test/conformance/suite.ts', 'an end to waiting'],
  ['test/conformance/client.ts', 'asks another process again; an end to waiting'],
  ['test/conformance/client-leg.ts', 'tells how long it took'],
  ['test/conformance/run.ts', 'tells how long it took'],
  ['test/e2e/stranger/stranger.test.ts', 'tells how long it took'],
]);
/** A timer, a look at the time that goes on until so much of it has passed, or how much has passed since. */
const TIMING =
  /\bsetTimeout\(|\bsetTimeout as\b|= setInterval\(|\bperformance\.now\(|\bDate\.now\(\) *[<>]|(?<!=)[<>]=? *Date\.now\(\)|=> Date\.now\(\),?$|\bAtomics\.wait\(|\bpause\(\s*systemClock\b|\bsystemClock\.schedule\(\s*\d|\bDate\.now\(\) - [a-z]/m;

describe('the tests', () => {
  const own = resolve(import.meta.filename);
  const timing = files('test', /\.ts$/).filter(
    (path) => path !== own && TIMING.test(readFileSync(path, 'utf8')),
  );

  it('await events and count work, and wait for no fixed time', () => {
    const wrong = timing.map((path) => relative(ROOT, path)).filter((path) => !MAY_TIME.has(path));
    expect(wrong).toEqual([]);
  });

  it('clean up where they are written: a hook of a shared module counts for the first file of a worker only', () => {
    const shared = files('test', /\.ts$/).filter((path) => !path.endsWith('.test.ts'));
    const hook = /^(?:before|after|around)(?:Each|All)\(/;
    expect(findings(shared, (line) => hook.test(line))).toEqual([]);
  });

  it.each([
    'const until = Date.now() + 100; await expect.poll(() => Date.now() >= until).toBe(true);',
    'while (startedAt + 100 > Date.now()) await turn();',
    'async () => Date.now(),',
    'await new Promise((wake) => setTimeout(wake, 100));',
    'const timer = setInterval(look, 100);',
    'await pause(systemClock, 20);',
    'systemClock.schedule(20, resolve);',
    'const allowed = 2 * (burst + (Date.now() - from) / everyMs);',
  ])('wait for a fixed time also where they write %j', (text) => {
    expect(TIMING.test(text)).toBe(true);
  });

  it('have no leave to use timers that they do not need', () => {
    const used = new Set(timing.map((path) => relative(ROOT, path)));
    expect([...MAY_TIME.keys()].filter((path) => !used.has(path))).toEqual([]);
  });

  it('hold no result against the time that it took', () => {
    const asserts =
      /expect\([^)]*(performance\.now\(|Date\.now\(\)|\b(late|elapsed|took)(Ms|S)?\b).*\.toBe(Less|Greater)/;
    const wrong = findings(files('test', /\.ts$/), (line) => asserts.test(line));
    expect(wrong.filter((line) => !line.startsWith('test/tidy.test.ts'))).toEqual([]);
  });
});

const BROWSER = 'runs in the browser, whose page is given no clock';
const ASKING =
  'the time to connect of a process that asks a node: it has no node, and so no clock of one';
/** Where the code may take a timer past the injected clock, and why. */
const MAY_TAKE_TIMERS: ReadonlyMap<string, string> = new Map([
  ['src/core/time/clock.ts', 'is the clock'],
  ['src/cli/commands/up.ts', 'keeps the process alive, and waits for nothing'],
  ['src/cli/node/client.ts', ASKING],
  ['src/gateway/client/pipes.ts', ASKING],
  ['src/dashboard/page/app.tsx', BROWSER],
  ['src/dashboard/page/live.ts', BROWSER],
  ['src/dashboard/page/mcp.ts', BROWSER],
  ['src/dashboard/page/parts.tsx', BROWSER],
]);
/** A timer of Node or of the browser, called or handed on; `schedule` of a `Clock` is the way for all else. */
const TIMER = /\bset(?:Timeout|Interval)\b|\bAbortSignal\s*\.\s*timeout\b|['"`](?:node:)?timers\b/;

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[^]*?\*\/|(?<![:'"`])\/\/.*/g, '');
}

describe('the timers of the code', () => {
  const taking = source
    .filter((path) => TIMER.test(withoutComments(readFileSync(path, 'utf8'))))
    .map((path) => relative(ROOT, path))
    .filter((path) => path.startsWith('src/'));

  it('are those of the injected clock', () => {
    expect(taking.filter((path) => !MAY_TAKE_TIMERS.has(path))).toEqual([]);
  });

  it('have no leave to be others that is not needed', () => {
    expect([...MAY_TAKE_TIMERS.keys()].filter((path) => !taking.includes(path))).toEqual([]);
  });

  it.each([
    ['setTimeout(wake, 100);', true],
    ['const timer = globalThis.setInterval(look, 100);', true],
    ['await promisify(setTimeout)(100);', true],
    ["import { setTimeout as sleep } from 'node:timers/promises';", true],
    ["import { scheduler } from 'timers/promises';", true],
    ['fetch(url, { signal: AbortSignal.timeout(100) });', true],
    ['socket.setTimeout(100, () => socket.destroy());', true],
    ["fetch('http://127.0.0.1', { signal: AbortSignal.timeout(100) });", true],
    ['clock.schedule(100, wake); // not setTimeout', false],
    ['/** What `AbortSignal.timeout(ms)` is, on a clock. */', false],
    ['setImmediate(next);', false],
  ])('are told from the clock in %j: %s', (text, isTimer) => {
    expect(TIMER.test(withoutComments(text))).toBe(isTimer);
  });
});

/** Words that say nothing by themselves. */
const EMPTY = new Set(
  'a all an and are as at be by each every has how in is it its made make makes of on one or that the them this to was what when which who with'.split(
    ' ',
  ),
);

/** The word without its ending, roughly: `signs` and `signing` are one. */
function stem(word: string): string {
  const end = ['ings', 'ing', 'ions', 'ion', 'ies', 'ed', 'es', 'er', 'or', 's', 'e', 'y'].find(
    (one) => word.endsWith(one) && word.length - one.length >= 3,
  );
  return end === undefined ? word : word.slice(0, -end.length);
}

/** True when each word of a docstring is in the name that it stands on. A result's docstring names its tool. */
function saysAgain(said: string, name: string): boolean {
  if (/@|\{|^ Result of `/.test(said)) return false;
  const parts = name.match(/[A-Z]+(?![a-z])|[A-Z]?[a-z]+/g) ?? [];
  const known = new Set(parts.map((part) => stem(part.toLowerCase())));
  const words = (said.toLowerCase().match(/[a-z0-9]+/g) ?? []).filter((word) => !EMPTY.has(word));
  return words.every((word) => known.has(stem(word)));
}

/** Folders of `test` that are no rooms of `src`, and folders in them that mirror none. */
const OWN_FOLDERS =
  'architecture build compat compliance conformance e2e fixtures golden live long mutation nodes pictures sim wire'.split(
    ' ',
  );
const HELP_FOLDERS = ['support', 'hostile', 'bench'];

describe('the layout of the tests', () => {
  it('mirrors that of the code', () => {
    const foldersIn = (path: string): string[] =>
      readdirSync(join(ROOT, path), { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    const rooms = foldersIn('test').filter((name) => !OWN_FOLDERS.includes(name));
    const inRooms = rooms.flatMap((room) =>
      foldersIn(`test/${room}`)
        .filter((name) => !HELP_FOLDERS.includes(name))
        .map((name) => `${room}/${name}`),
    );
    const lost = [...rooms, ...inRooms].filter((path) => !existsSync(join(ROOT, 'src', path)));
    expect(lost).toEqual([]);
  });
});

describe('the code', () => {
  it('has no file over 600 lines', () => {
    const long = everything.filter((path) => readFileSync(path, 'utf8').split('\n').length > 600);
    expect(long.map((path) => relative(ROOT, path))).toEqual([]);
  });

  it('has a docstring on top of every file of src and sim', () => {
    const bare = source.filter((path) => !/^(#!.*\n)?\/\*\*/.test(readFileSync(path, 'utf8')));
    expect(bare.map((path) => relative(ROOT, path))).toEqual([]);
  });

  it('has no docstring that only says again what the name says', () => {
    const doc =
      /\/\*\*((?:[^*]|\*(?!\/))*)\*\/\n *(?:(?:export|async|static|readonly|get|override|function|class|interface|type|const|let) )*#?(\w+)/g;
    const repeats = source.flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(doc)]
        .filter(([, said = '', name = '']) => saysAgain(said, name))
        .map(([, said = '', name = '']) => `${relative(ROOT, path)}: ${name}:${said}`),
    );
    expect(repeats).toEqual([]);
  });

  it.each([
    [' Signs. ', 'Signing', true],
    [' The set. ', 'RecordSet', true],
    [' Makes it. ', 'createLeaving', true],
    [' Result of `board_get`. ', 'BoardGetResult', false],
    [' 0 to 1. ', 'trust', false],
    [' Leaves the mesh, with a goodbye. ', 'Leaving', false],
  ])('knows of %j on %s whether it only says the name again: %s', (said, name, isAgain) => {
    expect(saysAgain(said, name)).toBe(isAgain);
  });

  it('has a docstring on every exported function, interface and class', () => {
    const bare = source.flatMap((path) => {
      const text = readFileSync(path, 'utf8');
      const pattern = /(^|\n)([^\n]*)\nexport (?:async )?(?:function|interface|class) (\w+)/g;
      return [...text.matchAll(pattern)]
        .filter((match) => !/\*\/\s*$|^\s*\/\/|^export (async )?function/.test(match[2] ?? ''))
        .map((match) => `${relative(ROOT, path)}: ${match[3]}`);
    });
    expect(bare).toEqual([]);
  });

  it('points in its comments and papers to files that are there', () => {
    const known = [...everything, ...files('config', /\.ts$/)].map(
      (path) => `/${relative(ROOT, path)}`,
    );
    const papers = [
      ...files('docs', /\.md$/),
      join(ROOT, 'README.md'),
      join(ROOT, 'CONTRIBUTING.md'),
    ];
    const dead = [...source, ...papers].flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(/`([\w./-]+\.tsx?)`/g)]
        .map(([, name = '']) => name)
        .filter((name) => !known.some((file) => file.endsWith(`/${name.replace(/^\.\//, '')}`)))
        .map((name) => `${relative(ROOT, path)}: ${name}`),
    );
    expect(dead).toEqual([]);
  });

  it('is named by the lists of the tests and of the simulation only where it is', () => {
    // The planted violations of the architecture are of files that are not there.
    const lists = everything.filter(
      (path) => !relative(ROOT, path).startsWith('test/architecture'),
    );
    const rooms = readdirSync(join(ROOT, 'src')).filter((name) => !name.includes('.'));
    const name = new RegExp(`'((?:src|sim|test|${rooms.join('|')})/[a-z0-9/.-]+\\.tsx?)'`, 'g');
    const dead = lists.flatMap((path) =>
      [...readFileSync(path, 'utf8').matchAll(name)]
        .map(([, file = '']) => file)
        .filter((file) => !['', 'src'].some((root) => existsSync(join(ROOT, root, file))))
        .map((file) => `${relative(ROOT, path)}: ${file}`),
    );
    const [, longest = ''] =
      /const LONGEST = \[([^\]]*)\]/.exec(readFileSync(join(ROOT, 'vitest.config.ts'), 'utf8')) ??
      [];
    const begunFirst = [...longest.matchAll(/'([^']+)'/g)].map(
      ([, file]) => `test/${file}.test.ts`,
    );
    expect(begunFirst.length).toBeGreaterThan(0);
    expect([...dead, ...begunFirst.filter((file) => !existsSync(join(ROOT, file)))]).toEqual([]);
  });

  it('asks what a value is, and waits, by the pieces that core has for that', () => {
    const own = ['src/core/wait.ts', 'src/core/json/value-checks.ts'].map((path) =>
      join(ROOT, path),
    );
    const again = [
      /=== 'object' && \w+ !== null && !Array\.isArray\(/,
      /=== 'object' && !Array\.isArray\(\w+\) && \w+ !== null/,
      /!== null &&\s+typeof \w+ === 'object' &&\s+!Array\.isArray\(/,
      /!== 'object' \|\| \w+ === null \|\| Array\.isArray\(/,
      /Number\.isSafeInteger\((\w+)\) && (?:Number\()?\1\)? >= 0/,
      /!Number\.isSafeInteger\((\w+)\) \|\| (?:Number\()?\1\)? < 0/,
      // Under the name of a piece of core nothing else is meant.
      /function is(?:Object|Text|Count|Number)\(|const is(?:Object|Text|Count|Number) = (?:\(|typeof)/,
      /new Promise[^;]*\.schedule\([^;]*, (?:\(\) => )?(?:resolve|wake|done)\b/,
    ];
    const wrong = files('src', /\.tsx?$/)
      .filter((path) => !own.includes(path))
      .flatMap((path) => {
        const text = readFileSync(path, 'utf8');
        return again.some((form) => form.test(text)) ? [relative(ROOT, path)] : [];
      });
    expect(wrong).toEqual([]);
  });

  it('tells people what does not fit a schema in words of ours', () => {
    const own = ['src/core/words/misfit-words.ts', 'src/config/problems.ts'];
    const raw = /\bissue\??\.message|\{ (?:message, path|path, message) \}/;
    const paths = files('src', /\.tsx?$/).filter((path) => !own.includes(relative(ROOT, path)));
    expect(findings(paths, (line) => raw.test(line))).toEqual([]);
  });

  it('has no names that the glossary has given up', () => {
    const given = /(?<![\w'])#?(?:judge|desk)\w*\(|\b(?:Held(?:Bytes|Posts?)|heldBytes)\b/i;
    expect(findings(files('src', /\.tsx?$/), (line) => given.test(line))).toEqual([]);
  });

  it('has no unfinished marks, silenced checks or skipped tests', () => {
    const marks =
      /\b(FIXME|XXX|HACK|TODO)\b|@ts-(ignore|nocheck|expect-error)|\bas any[;,)\]}]|\b(it|test|describe)\.(skip|only|todo)\(/;
    const own = resolve(import.meta.filename);
    expect(
      findings(
        everything.filter((path) => path !== own),
        (line) => marks.test(line),
      ),
    ).toEqual([]);
  });

  it('names no machine path and no registry', () => {
    const leak = /\/work\/|\/root\/|registry\.npm|"resolved": *"http/;
    const own = resolve(import.meta.filename);
    const paths = [
      ...everything.filter((path) => path !== own),
      ...['README.md', 'package.json', 'package-lock.json'].map((name) => join(ROOT, name)),
      ...files('config', /./),
      ...files('docs', /./),
    ];
    expect(findings(paths, (line) => leak.test(line))).toEqual([]);
  });
});

describe('error codes', () => {
  const page = readFileSync(join(ROOT, 'docs/reference/errors.md'), 'utf8');
  const text = source
    .filter((path) => !/core\/errors\.ts$|cli\/reference\//.test(path))
    .map((path) => readFileSync(path, 'utf8'))
    .join('\n');

  it.each(Object.keys(ERRORS))('%s is raised somewhere and explained in docs/reference', (code) => {
    expect(text).toContain(`'${code}'`);
    expect(page).toContain(code);
  });
});
