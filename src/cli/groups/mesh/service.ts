/** The commands `starling service …`. */
import type { Command } from 'commander';
import { action, examples, ofNode, withJson } from '../command-line/define-command.ts';
import type { Outcome } from '../command-line/define-command.ts';

/** Adds `starling service` and its commands. */
export function addService(program: Command, outcome: Outcome): void {
  const service = program
    .command('service')
    .summary('have the node run after a reboot')
    .description(
      "Has this user's service manager (systemd on Linux, launchd on macOS) run the node: now, at each login, and again when it fails.",
    )
    .addHelpText(
      'after',
      examples('starling service install --print', 'starling service uninstall'),
    );
  withJson(ofNode(service.command('install')))
    .summary('write the service, and start it')
    .description(
      'Writes a systemd user unit or a launchd agent for the node, says which file that is, and starts it. Secrets are never written into it.',
    )
    .option('--print', 'show the file, and write nothing')
    .addHelpText(
      'after',
      examples('starling service install --print', 'starling --node lab service install'),
    )
    .action(action(outcome, () => import('../../commands/service/install.ts')));
  withJson(ofNode(service.command('uninstall')))
    .summary('end the service, and remove it')
    .description('Ends the service of the node and removes its file. The state folder stays.')
    .option('--print', 'say what would be removed, and remove nothing')
    .addHelpText('after', examples('starling service uninstall'))
    .action(action(outcome, () => import('../../commands/service/uninstall.ts')));
}
