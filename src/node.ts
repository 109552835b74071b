/**
 * Composition: builds the rooms of one node in order, starts them from the ground up and stops them
 * from the roof down. Only this file calls the rooms' constructors; it holds no logic of its own
 * beyond wiring one room's events to another's ears.
 */
import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import { createBlackboard } from './blackboard/index.ts';
import type { Blackboard, Board } from './blackboard/index.ts';
import { boardTools, grantTools, statusTools } from './builtin/index.ts';
import type { GrantSummary, InviteResult, StatusResult } from './builtin/index.ts';
import { socketPath } from './config/index.ts';
import type { Config } from './config/index.ts';
import {
  StarlingError,
  VERSION,
  createHealth,
  createLogger,
  messageOf,
  systemClock,
} from './core/index.ts';
import type { Clock, Logger, PeerId, Random, Startable } from './core/index.ts';
import { createDirectory } from './directory/index.ts';
import { createGateway, createUpstreams } from './gateway/index.ts';
import type { Gateway } from './gateway/index.ts';
import { createGrantBook } from './grants/index.ts';
import type { GrantBook } from './grants/index.ts';
import { createGuard } from './guard/index.ts';
import { loadIdentity } from './identity/index.ts';
import type { Identity } from './identity/index.ts';
import { createMembership, createMeshBook } from './membership/index.ts';
import type { Membership, MeshBook, PeerView } from './membership/index.ts';
import { createNetwork, probeMesh } from './network/index.ts';
import type { Network } from './network/index.ts';
import { createStore, ensurePrivateFolder } from './store/index.ts';
import type { Store } from './store/index.ts';
