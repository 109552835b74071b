/** What is run by `npm run` gets the signals that npm gets, so that it removes what it has made. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

describe('a long run', () => {
  it('takes the place of the shell that npm starts: a shell would end alone at a signal', () => {
    const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const runs = Object.entries(scripts).filter(([, script]) => / node dist\//.test(script));
    expect(runs.map(([name]) => name)).toEqual(
      expect.arrayContaining(['bench', 'demo', 'sim', 'soak']),
    );
    for (const [name, script] of runs)
      expect([name, script.split(' && ').at(-1)]).toEqual([
        name,
        expect.stringMatching(/^exec node dist\//),
      ]);
  });
});
