import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Admin,
  consumerGroupHeartbeatV1,
  FindCoordinatorKeyTypes,
  offsetCommitV9,
} from '@platformatic/kafka'
import { answered } from './errors.ts'
import type { Topic } from './topic.ts'

export interface MembershipOptions {
  readonly admin: Admin
  readonly group: string
  readonly topic: Topic
  readonly onGained: (partitions: readonly number[]) => void
  /** Another member gets these partitions when this has resolved, or `rebalanceTimeoutMs` are over. */
  readonly onLost: (partitions: readonly number[]) => Promise<void>
  readonly onFailure: (error: unknown) => void
}

const rebalanceTimeoutMs = 30_000
const retryMs = 300
const joinAttemptsMax = 10

/** Errors after which the member owns nothing and has to join anew. */
const expelled = ['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH'] as const

/**
 * One member of a consumer group by Kafka's protocol of 4.0 (KIP-848): the broker assigns the partitions and takes single ones
 * away, while the others are consumed on. Spoken here and not by the client's Consumer, which answers for partitions that it has
 * to give away at once, and so before what was taken from them is stored.
 */
export class Membership {
  readonly #options: MembershipOptions
  readonly #memberId = randomUUID()
  readonly #owned = new Set<number>()
  readonly #closing = new AbortController()
  #wake = new AbortController()
  #epoch = 0
  #intervalMs = 1_000
  #coordinator: { readonly host: string; readonly port: number } | undefined
  #target: ReadonlySet<number> | undefined
  #losing: Promise<void> | undefined
  #beating: Promise<void> = Promise.resolve()

  constructor(options: MembershipOptions) {
    this.#options = options
  }

  /** Resolves when the group has taken it in; partitions come then or later. */
  async join(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#beat()
        break
      } catch (error) {
        if (attempt === joinAttemptsMax || this.#closing.signal.aborted) throw error
        await sleep(retryMs)
      }
    }
    this.#beating = this.#keepBeating()
  }

  /** Writes down, for all to see, up to where the group has stored the partition: the next offset. */
  async commit(offsets: ReadonlyMap<number, number>): Promise<void> {
    const { group, topic } = this.#options
    const partitions = [...offsets].map(([partitionIndex, offset]) => ({
      partitionIndex,
      committedOffset: BigInt(offset),
      committedLeaderEpoch: -1,
      committedMetadata: '',
    }))
    const topics = [{ name: topic.name, partitions }]
    const connection = await this.#connection()
    const { async: ask } = offsetCommitV9.api
    await ask(connection, group, this.#epoch, this.#memberId, null, topics).catch((error) => {
      this.#coordinator = undefined
      throw error
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#wake.abort()
    await this.#beating
    await this.#losing
    await this.#lose([...this.#owned])
    // The others get its partitions at once, and need not wait for the end of its session.
    if (this.#epoch > 0) await this.#heartbeat(-1).catch(() => {})
  }

  async #keepBeating(): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      await sleep(this.#intervalMs, undefined, { signal: this.#wake.signal }).catch(() => {})
      this.#wake = new AbortController()
      if (signal.aborted) break
      try {
        await this.#beat()
      } catch (error) {
        if (signal.aborted) break
        this.#options.onFailure(error)
        await sleep(retryMs)
      }
    }
  }

  async #beat(): Promise<void> {
    try {
      const response = await this.#heartbeat(this.#epoch)
      this.#epoch = response.memberEpoch
      if (response.heartbeatIntervalMs > 0) this.#intervalMs = response.heartbeatIntervalMs
      if (response.assignment) this.#assign(response.assignment.topicPartitions)
    } catch (error) {
      this.#coordinator = undefined
      if (!answered(error, ...expelled)) throw error
      this.#epoch = 0
      await this.#losing
      await this.#lose([...this.#owned])
      this.#wake.abort()
    }
  }

  async #heartbeat(epoch: number) {
    const { group, topic } = this.#options
    const owned = epoch === 0 ? [] : [{ topicId: topic.id, partitions: [...this.#owned] }]
    const names = [topic.name]
    const connection = await this.#connection()
    const { async: ask } = consumerGroupHeartbeatV1.api
    return ask(
      connection,
      group,
      this.#memberId,
      epoch,
      null,
      null,
      rebalanceTimeoutMs,
      names,
      null,
      null,
      owned,
    )
  }

  #assign(assigned: readonly { readonly topicId: string; readonly partitions: readonly number[] }[]): void {
    const own = assigned.filter(({ topicId }) => topicId === this.#options.topic.id)
    this.#target = new Set(own.flatMap(({ partitions }) => partitions))
    if (this.#losing) return
    const lost = [...this.#owned].filter((partition) => !this.#target!.has(partition))
    const gained = [...this.#target].filter((partition) => !this.#owned.has(partition))
    for (const partition of gained) this.#owned.add(partition)
    if (gained.length > 0) this.#options.onGained(gained)
    if (lost.length > 0)
      this.#losing = this.#lose(lost).finally(() => {
        this.#losing = undefined
      })
    // The broker waits to hear that it has been done.
    if (gained.length > 0) this.#wake.abort()
  }

  async #lose(partitions: readonly number[]): Promise<void> {
    // Whoever could not store what it took has failed, and says so itself; the store refuses its late writes.
    if (partitions.length > 0) await this.#options.onLost(partitions).catch(this.#options.onFailure)
    for (const partition of partitions) this.#owned.delete(partition)
    this.#wake.abort()
  }

  async #connection() {
    const { admin, group } = this.#options
    if (!this.#coordinator) {
      const keyType = FindCoordinatorKeyTypes.GROUP
      const [found] = await admin.findCoordinator({ keyType, keys: [group] })
      this.#coordinator = { host: found!.host, port: found!.port }
    }
    return admin.connections.get(this.#coordinator)
  }
}
