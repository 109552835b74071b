/** `starling grant create` */
import type { GrantCreateResult } from '../../../builtin/results.ts';
import { StarlingError } from '../../../core/errors.ts';
import { plainResource } from '../../../core/words/right-words.ts';
import { grantConditions, thingsIn } from '../../options/grant-conditions.ts';
import type { GrantOptions, TypedThings } from '../../options/grant-conditions.ts';
import { refuseOptions } from '../../options/needed-option.ts';
import {
  asSentence,
  duration,
  paintTalk,
  printData,
  safeLine,
  tell,
} from '../../terminal/output.ts';
import { withNode } from '../../node/locate-node.ts';

/** Creates the grant and prints it. */
export async function run(peer: string, options: GrantOptions): Promise<void> {
  const { board } = options;
  const things = thingsIn(options);
  if (board !== undefined) {
    await grantBoard(peer, board, options);
    return;
  }
  refuseOptions(options, ['may'], {
    why: 'is of a right on a board',
    hint: 'name the board: --board <board>, or leave it out',
  });
  if (Object.values(things).every(({ length }) => length === 0)) {
    throw new StarlingError('STARLING_USAGE', 'say what to grant', {
      hint: "name tools (--tool 'files/*'), resources, prompts, agents or all of a server (--server git); see: starling grant create --help",
    });
  }
  const args = { peer, ...grantConditions(options) };
  const result = await withNode(options, (node) =>
    node.builtin<GrantCreateResult>('grant_create', args),
  );
  const { grant } = result;
  const given = givenText(things, grant.capabilities);
  const end = grant.renewed
    ? 'until you revoke it (it is renewed daily while the peer is there)'
    : `for ${duration(grant.expiresAt - Date.now())}`;
  const { arg = [], needsApproval = false } = options;
  const bounds = boundsOf(options);
  const where = arg.length === 0 ? '' : ` where ${arg.join(', ')}`;
  const asked = needsApproval ? ', each time you approve it (starling approvals)' : '';
  printData(result, options.json === true, () =>
    asSentence(
      `${grant.with} may now ${given}${where} ${end}${bounds}${asked}; end it with: starling grant revoke ${grant.id.slice(0, 8)}`,
    ),
  );
  if (options.json !== true)
    for (const remark of result.remarks ?? []) tell(`${paintTalk.yellow('!')} ${safeLine(remark)}`);
}

/** What was granted, in words. */
function givenText(
  { tools, resources, prompts, servers, agents, spawns, models }: TypedThings,
  capabilities: GrantCreateResult['grant']['capabilities'],
): string {
  // As grants write them: the options may have them as lists do, with the node before the server.
  const called = tools.map((typed, at) => plainResource(capabilities[at]?.resource ?? typed));
  const kinds: readonly (readonly [string, readonly string[]])[] = [
    ['call', called],
    ['read', resources],
    ['get the prompts', prompts],
    ['use all of', servers],
    ['write to the agent', agents],
    ['run agents of the kind', spawns],
    ['use the models', models],
  ];
  return kinds
    .filter(([, names]) => names.length > 0)
    .map(([does, names]) => `${does} ${names.join(', ')}`)
    .join(' and ');
}

/** With the zone in which they count, where the person left that to this machine. */
function hoursText(hours: string): string {
  const hasZone = /\d\d:\d\d-\d\d:\d\d\s+\S/.test(hours);
  return hasZone ? hours : `${hours} ${Intl.DateTimeFormat().resolvedOptions().timeZone}`;
}

/** Gives a right on a board, which is a grant of its own. @throws STARLING_USAGE beside other options */
async function grantBoard(peer: string, board: string, options: GrantOptions): Promise<void> {
  const { may = 'read' } = options;
  const given = { ...grantConditions(options) };
  if (Object.keys(given).length > 0) {
    throw new StarlingError('STARLING_USAGE', 'a right on a board is a grant of its own', {
      hint: `give the rest by a second grant: starling grant create ${peer} --board ${board} --may ${may}`,
    });
  }
  const { run: give } = await import('../board/grant.ts');
  await give(board, peer, may, options);
}

/** The conditions of the grant in words: how often, when, and through how many hands. */
function boundsOf({ uses, rate, hours, maxDepth = 0 }: GrantOptions): string {
  const bounds = [
    ...(uses === undefined ? [] : [uses === 1 ? 'once' : `${uses} times at the most`]),
    ...(rate === undefined
      ? []
      : [`no more than ${rate.burst} in ${duration((rate.burst / rate.per_s) * 1000)}`]),
    ...(hours === undefined ? [] : [`at ${hoursText(hours)}`]),
    ...(maxDepth === 0
      ? []
      : [`and may hand it on, through ${maxDepth} ${maxDepth === 1 ? 'hand' : 'hands'}`]),
  ];
  return bounds.map((bound) => `, ${bound}`).join('');
}
