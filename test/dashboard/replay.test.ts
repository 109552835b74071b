/** A call of the record as a command: whole where the record has all of it, and else with what is missing. */
import { expect, it } from 'vitest';
import { hashArguments } from '../../src/audit/format.ts';
import { replayOf } from '../../src/dashboard/page/words.ts';

it('is the whole call where that had no arguments', () => {
  expect(replayOf('tool:files/list', hashArguments({}))).toEqual({
    line: 'starling call files__list',
    tool: 'files__list',
  });
  expect(replayOf('tool:@alice/files/list', undefined)).toEqual({
    line: 'starling call alice__files__list',
    tool: 'alice__files__list',
  });
});

it('says that the record keeps only a hash of the arguments, and where to see what the tool takes', () => {
  expect(replayOf('tool:@alice/files/read', hashArguments({ path: '/a' }))).toEqual({
    line: 'starling call alice__files__read',
    tool: 'alice__files__read',
    missing:
      'and its arguments, of which the record keeps only a hash; what it takes: starling tools show alice__files__read',
  });
});

it('is nothing for what is no call of a tool, and nothing that a shell would obey', () => {
  expect(replayOf('resource:files/a', undefined)).toBeUndefined();
  expect(replayOf("tool:x/$(rm -rf ~);'", undefined)?.line).toBe(
    String.raw`starling call 'x__$(rm -rf ~);'\'''`,
  );
});
