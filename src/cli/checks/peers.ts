/** Whether each known peer is alive. */
import { addressText } from '../../core/words/address-text.ts';
import { shownName } from '../../core/words/shown-name.ts';
import { startWords, stateWords } from '../node/start-words.ts';
import { ago } from '../terminal/output.ts';
import { finding } from './check.ts';
import type { Check } from './check.ts';
import { DISK_WARNINGS } from './state-folder.ts';

/** One finding a peer, and the warnings of the node. */
export const peers: Check = {
  name: 'peer',
  run: async ({ peers: known, status, stateDir }) => {
    if (known === undefined) {
      const { membershipEndOf } = await import('../node/offline-state.ts');
      // A folder that can't be read is told of by the check of that.
      const end = await membershipEndOf(stateDir).catch(() => undefined);
      const words = await startWords(stateDir);
      if (end !== undefined) {
        const state = stateWords(stateDir);
        const out = `ask a member for a new ticket, and start with: starling up${words} --join <ticket>; or go without them: starling leave${state}`;
        return [finding('node', 'fail', end, out)];
      }
      return [
        finding(
          'peer',
          'warn',
          'no node runs here, so nothing is known of peers',
          `start it: starling up${words}`,
        ),
      ];
    }
    const warnings = (status?.warnings ?? [])
      // The checks of the servers, of their sandbox and of the state folder tell these.
      .filter(({ code }) => !/^(upstream|sandbox)-/.test(code) && !DISK_WARNINGS.includes(code))
      .map(({ text, hint }) => finding('node', 'warn', text, hint));
    if (known.peers.length === 0) {
      return [
        ...warnings,
        finding('peer', 'warn', 'no other peer has been seen', 'invite one: starling invite'),
      ];
    }
    const found = known.peers.map((peer) => {
      if (peer.state === 'alive') {
        const rtt = peer.rttMs === undefined ? '' : `, ${peer.rttMs.toFixed(1)} ms away`;
        return finding(
          'peer',
          'ok',
          `${shownName(peer)} is alive (${peer.route ?? 'over others'}${rtt})`,
        );
      }
      if (peer.state === 'left') return finding('peer', 'ok', `${shownName(peer)} has stopped`);
      return finding(
        'peer',
        'warn',
        `${shownName(peer)} is ${peer.state}, last heard ${ago(peer.lastHeartbeatAt)}`,
        `see that it runs, and that ${peer.address === undefined ? 'its port' : addressText(peer.address)} is open to this machine`,
      );
    });
    return [...warnings, ...found];
  },
};
