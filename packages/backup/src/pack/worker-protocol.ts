/** Messages between the repository and its worker threads. Buffers are transferred, not copied. */
import type { RepositoryKeys } from '../crypto/keys.ts';

export interface WorkerSetup {
  readonly keys: RepositoryKeys;
}

/** Blocks to compress and seal into the open pack of a session. */
export interface EncodeRequest {
  readonly type: 'encode';
  readonly session: string;
  readonly data: ArrayBuffer;
  /** Where each block begins in `data`, and how long it is. */
  readonly places: Uint32Array;
  readonly ids: Uint8Array;
}

/** Ends the open pack of a session; `discard` forgets it. */
export interface FlushRequest {
  readonly type: 'flush';
  readonly session: string;
  readonly discard: boolean;
}

/** A piece of a pack, to be unpacked. */
export interface DecodeRequest {
  readonly type: 'decode';
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  /** The piece's offset in the pack. */
  readonly start: number;
  /** For each blob: offset in the pack, length word. */
  readonly places: Uint32Array;
  readonly ids: Uint8Array;
}

/** A whole pack, to be proved. */
export interface ProveRequest {
  readonly type: 'prove';
  readonly hash: string;
  readonly data: Uint8Array;
}

export type WorkerRequest = EncodeRequest | FlushRequest | DecodeRequest | ProveRequest;

export interface EncodedPack {
  readonly hash: string;
  readonly data: Uint8Array;
  readonly entries: Uint8Array;
}

export interface EncodeReply {
  readonly packs: readonly EncodedPack[];
  /** The request's buffer, to be used again. */
  readonly data: ArrayBuffer | null;
}

export interface DecodeReply {
  /** The contents, one after the other. */
  readonly data: Uint8Array;
  /** The length of each content; 0 for a damaged one. */
  readonly lengths: Uint32Array;
}

export interface ProveReply {
  readonly isNameRight: boolean;
  /** Entries of 40 bytes of the blobs that are sound; null if the directory cannot be read. */
  readonly sound: Uint8Array | null;
  readonly damaged: Uint8Array | null;
}

export interface ReplyOf {
  encode: EncodeReply;
  flush: EncodeReply;
  decode: DecodeReply;
  prove: ProveReply;
}
