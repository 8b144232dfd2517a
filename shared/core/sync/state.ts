/** What a sync session knows, what it is told and what it asks for. Times are epoch milliseconds, fractions included. */
import type { BaseMove } from './agree.ts';
import type { Choice, History, Policy } from './attach.ts';
import type { Created } from './created.ts';
import type { Change, EndpointInfo, Outcome, Victim } from './endpoint.ts';
import type { Brake, BrakeName, Brakes, Meant, Word } from './guard.ts';
import type { Conflict, Frozen } from './merge.ts';
import type { Digest, DirNode, Entry, Node, Path, Side } from './tree.ts';

/** A change, and what the base may become at its path once it is made, whatever the other side does meanwhile. */
export interface Planned extends Change {
  /** Absent when the other side does not hold it yet: then only both sides' equality moves the base. */
  readonly agreed?: Entry | null;
  /** What it takes away nobody else ever held: kept in the journal before the change is sent, since its answer may be lost. */
  readonly sole?: true;
}

export interface Flight {
  readonly id: number;
  readonly changes: readonly Planned[];
  readonly sentAt: number;
  /** Paths that were observed meanwhile: newer than the outcome, or older. */
  readonly touched: ReadonlySet<Path>;
}

export interface Blocked {
  readonly tries: number;
  /** Not tried again before. */
  readonly until: number;
  readonly message: string;
}

export interface SideState {
  /** What it can do; null while it is not connected. */
  readonly info: EndpointInfo | null;
  /** `stale`: one runs, and what it has passed already may have changed since. */
  readonly scan: 'needed' | 'running' | 'stale' | 'done';
  /** The scan that runs, or when the next one may begin. */
  readonly scanId: number;
  readonly scanAfter: number;
  /** As far as it was seen; null when there is no folder. */
  readonly tree: DirNode | null;
  readonly flight: Flight | null;
  /** Why the last scan or batch ended without an answer. */
  readonly failure: string | null;
  /** Changes whose outcome nobody told: the next scan does. */
  readonly unsure: readonly Planned[];
  readonly blocked: ReadonlyMap<Path, Blocked>;
  /** When an edit on this side that is under way to the other was first seen. */
  readonly seen: ReadonlyMap<Path, number>;
  /** Deletes that were seen on this side and are held back a moment: many are half of a save or of a move. */
  readonly deletes: { readonly first: number; readonly last: number } | null;
  /** What sync deleted on this side in the present burst: files with their digest, links with null. */
  readonly deletedLately: {
    readonly gone: ReadonlyMap<Path, Digest | null>;
    /** The base when the burst began: only what was there is counted. */
    readonly since: DirNode;
    readonly at: number;
  };
  /** What sync created on this side of late, oldest first. */
  readonly created: readonly Created[];
}

export interface Question {
  readonly id: string;
  readonly text: string;
  readonly details: readonly string[];
  readonly choices: readonly Choice[];
}

export interface SessionState {
  readonly config: SessionConfig;
  readonly phase: 'starting' | 'ready' | 'working' | 'halted' | 'question' | 'off';
  readonly base: DirNode;
  readonly host: SideState;
  readonly container: SideState;
  /** Present until what both sides have in common is decided. */
  readonly history: History | null;
  readonly mounts: Readonly<Record<Side, boolean>> | null;
  readonly unproven: boolean;
  /** What the user's word or a recreated container made base although it was never in common; until it is carried out. */
  readonly chosen: DirNode;
  /** The base was decided, and is logged when the first round passes the brakes. */
  readonly adopting: boolean;
  readonly answer: string | null;
  readonly brake: Brake | null;
  /** Until all is settled. */
  readonly allowed: ReadonlySet<Meant>;
  /** What the user has said beforehand of the brakes that he knows of: each word counts once, and until the first settling. */
  readonly said: ReadonlyMap<BrakeName, Word>;
  readonly question: Question | null;
  readonly halted: Halt | null;
  readonly conflicts: readonly Conflict[];
  readonly frozen: readonly Frozen[];
  /** The first settling was told. */
  readonly wasReady: boolean;
  readonly serial: number;
}

export interface Halt {
  readonly reason: string;
  readonly hint: string;
}

export interface SessionConfig {
  readonly policy: Policy;
  /** The host's folder is a home folder or a file system's root. */
  readonly delicate: boolean;
  /** Tests leave one out. */
  readonly brakes: Partial<Brakes>;
  readonly said: ReadonlyMap<BrakeName, Word>;
  /** False in tests alone: deletes go at once. */
  readonly holdDeletes: boolean;
}

/** What an interrupted session had sent to a side, from the log. */
export interface Intent {
  readonly side: Side;
  readonly path: Path;
  readonly after: Entry | null;
  readonly agreed: Entry | null;
}

export type SessionEvent = { readonly now: number } & (
  | { readonly type: 'host-attached'; readonly info: EndpointInfo }
  | {
      readonly type: 'container-attached';
      readonly info: EndpointInfo;
      /** Null when it is the incarnation of before: the session goes on with what it knows. */
      readonly history: History | null;
      readonly intents: readonly Intent[];
      /** What was sent to each side of late to be created, from the log. */
      readonly created: Readonly<Record<Side, readonly Created[]>>;
      readonly mounts: Readonly<Record<Side, boolean>> | null;
    }
  | { readonly type: 'container-detached' }
  | { readonly type: 'scanned'; readonly side: Side; readonly id: number; readonly root: DirNode | null }
  | { readonly type: 'scan-failed'; readonly side: Side; readonly id: number; readonly message: string }
  | { readonly type: 'observed'; readonly side: Side; readonly batch: readonly Seen[] }
  | { readonly type: 'hints-lost'; readonly side: Side }
  | { readonly type: 'applied'; readonly side: Side; readonly id: number; readonly outcomes: readonly Outcome[] }
  | { readonly type: 'apply-failed'; readonly side: Side; readonly id: number; readonly message: string }
  | { readonly type: 'answered'; readonly question: string; readonly value: string }
  | { readonly type: 'rescan' }
  | { readonly type: 'tick' }
);

export interface Seen {
  readonly path: Path;
  readonly node: Node | null;
}

export type Effect =
  | { readonly kind: 'scan'; readonly side: Side; readonly id: number }
  /** Intents are logged before anything is sent. */
  | { readonly kind: 'apply'; readonly side: Side; readonly id: number; readonly changes: readonly Planned[] }
  | { readonly kind: 'log'; readonly moves: readonly BaseMove[] }
  /** What was sent to a side and never answered was looked up. */
  | { readonly kind: 'settled'; readonly side: Side }
  /** The log starts anew, with what both sides hold. */
  | { readonly kind: 'adopt'; readonly base: DirNode }
  | { readonly kind: 'journal'; readonly side: Side; readonly change: Planned; readonly victim: Victim | null }
  | { readonly kind: 'wake'; readonly at: number }
  | { readonly kind: 'synced'; readonly path: Path; readonly to: Side; readonly ms: number }
  | { readonly kind: 'conflict'; readonly path: Path; readonly kept: Path | null }
  | { readonly kind: 'halted'; readonly reason: string; readonly hint: string }
  | { readonly kind: 'ready' }
  | { readonly kind: 'idle' };
