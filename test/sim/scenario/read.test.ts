/** Scenario files: those that come with Starling hold, and a bad one is told line by line. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ABILITIES, chooseEngine, lacking } from '../../../sim/scenario/engines/engine.ts';
import { planOf } from '../../../sim/scenario/plan.ts';
import { loadScenario, parseScenario, scenarioNames } from '../../../sim/scenario/read.ts';
import { scenarioJsonSchema } from '../../../sim/scenario/schema.ts';

const SOUND = `name: mine
about: Something is shown.
engines: [inproc, netns]
nodes: { count: 3 }
events:
  - { at: 1s, do: kill, nodes: last }
after:
  - { expect: known, within: 5s }
`;

function faultsOf(text: string): readonly string[] {
  try {
    parseScenario(text, 'mine.yaml');
    return [];
  } catch (error) {
    return (error as { readonly data: { readonly problems: readonly string[] } }).data.problems;
  }
}

describe('a scenario file', () => {
  it('has durations as numbers of milliseconds and what is left out filled in', () => {
    const scenario = parseScenario(SOUND, 'mine.yaml');
    expect(scenario.events).toEqual([{ at: 1000, do: 'kill', nodes: ['last'] }]);
    expect(scenario).toMatchObject({ seed: 1, during: [], links: { default: {}, between: [] } });
  });

  it.each([
    [
      'an event that nobody knows',
      'do: kill',
      'do: kil',
      "line 6: events.0.do: \"kil\" can't be used; did you mean 'kill'?",
    ],
    [
      'a key that an event has not',
      'nodes: last',
      'nodes: last, nods: n1',
      "line 6: events.0.nods: unknown key; did you mean 'nodes'?",
    ],
    [
      'a key that is missing',
      ', nodes: last',
      '',
      'line 6: events.0.nodes: it is missing; allowed: all, first, last',
    ],
    [
      'a duration without a unit',
      'within: 5s',
      'within: 5',
      "line 8: after.0.within: 5 can't be used; allowed: a duration like 500ms, 5s or 2m",
    ],
    [
      'an engine that is none',
      '[inproc, netns]',
      '[inprok]',
      'line 3: engines.0: "inprok" can\'t be used; allowed: inproc, netns, model',
    ],
    [
      'too few nodes',
      'count: 3',
      'count: 0',
      "line 4: nodes.count: 0 can't be used; allowed: a whole number from 1 to 1000000",
    ],
    ['a key at the top', 'about:', 'abaut:', "line 2: abaut: unknown key; did you mean 'about'?"],
    [
      'a selector',
      'nodes: last',
      'nodes: frist',
      'line 6: events.0.nodes: "frist" can\'t be used; allowed: all, first, last, others, n3',
    ],
    ['text that is no YAML', 'events:', 'events: [', 'line '],
  ])('with %s is refused with the line, and what is allowed', (_, from, to, said) => {
    const faults = faultsOf(SOUND.replace(from, to));
    expect(faults.join('\n')).toContain(said);
  });

  it('is refused as soon as it is too big, and may not bomb with aliases', () => {
    expect(faultsOf(`${SOUND}# ${'x'.repeat(300_000)}`)).toEqual(['it is over 256 KiB']);
    const bomb = `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\n${SOUND}`;
    expect(() => parseScenario(bomb, 'mine.yaml')).toThrow();
  });

  it('has the schema that `npm run schema` writes', () => {
    const path = resolve(import.meta.dirname, '../../../config/scenario.schema.json');
    expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual(scenarioJsonSchema());
  });
});

describe('the scenarios that come with Starling', () => {
  it.each(scenarioNames())('%s holds, and each engine that it names can carry it out', (name) => {
    const scenario = loadScenario(name);
    expect(scenario.name).toBe(name);
    for (const engine of scenario.engines) {
      expect(lacking(scenario, engine, scenario.nodes.count)).toEqual([]);
    }
    expect(planOf(scenario, Math.min(scenario.nodes.count, 25), 1).names[0]).toBe('n1');
  });

  it('are suggested when a name is slipped', () => {
    expect(() => loadScenario('chrun')).toThrow(
      "there is no scenario 'chrun'; did you mean 'churn'?",
    );
    expect(() => loadScenario('./nowhere.yaml')).toThrow('there is no file ./nowhere.yaml');
  });
});

describe('an engine', () => {
  it('refuses by name what it can not do, and says who can', () => {
    const text = SOUND.replace('do: kill, nodes: last', 'do: disk, nodes: last, state: full');
    const scenario = parseScenario(text, 'mine.yaml');
    expect(() => chooseEngine(scenario, 'inproc', 3)).toThrow("event 1 (disk): it can't do 'disk'");
    expect(chooseEngine(scenario, 'netns', 3)).toBe('netns');
    expect(() => chooseEngine(scenario, 'model', 3)).toThrow('it is meant for inproc, netns');
    expect(() => chooseEngine(scenario, 'shadow', 3)).toThrow("there is no engine 'shadow'");
  });

  it('takes no more nodes than it can have', () => {
    const scenario = parseScenario(SOUND, 'mine.yaml');
    const { nodesMax } = ABILITIES.inproc;
    expect(() => chooseEngine(scenario, 'inproc', nodesMax + 1)).toThrow(
      `it has at most ${nodesMax}`,
    );
  });
});
