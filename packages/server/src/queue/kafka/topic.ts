import { setTimeout as sleep } from 'node:timers/promises'
import { DroverError } from '@drover/protocol'
import { type Admin, ConfigResourceTypes } from '@platformatic/kafka'
import { answered } from './errors.ts'
import type { KafkaSettings } from './settings.ts'

export interface Topic {
  readonly name: string
  /** Kafka's own random id of it; another topic of the same name has another. */
  readonly id: string
  readonly partitions: number
}

/** Bytes of one record batch that the topic has to take. */
export const recordBatchBytesMax = 900_000

const hourMs = 3_600_000
const madeWithinMs = 15_000
const checked = ['cleanup.policy', 'retention.ms', 'min.insync.replicas', 'max.message.bytes']

/**
 * Makes the topic if it is not there, and checks the one that is. Rejects with `badConfiguration` when it would lose messages
 * or refuse all; what is merely unsafe is told to `onWarning`.
 */
export async function ensureTopic(
  admin: Admin,
  settings: KafkaSettings,
  onWarning: (warning: string) => void,
): Promise<Topic> {
  const { topic: name } = settings
  const names = await admin.listTopics()
  if (!names.includes(name)) await makeTopic(admin, settings)
  const { id, partitions } = await describedTopic(admin, name)
  const replicas = Math.min(...partitions.map(({ replicas }) => replicas.length))
  const configs = await readConfigs(admin, name)
  const [problem] = problemsOf(configs, replicas)
  if (problem) throw new DroverError('badConfiguration', { reason: `the Kafka topic ${name}: ${problem}` })
  for (const warning of warningsOf(configs, replicas)) onWarning(`The Kafka topic ${name}: ${warning}.`)
  return { name, id, partitions: partitions.length }
}

async function makeTopic(admin: Admin, settings: KafkaSettings): Promise<void> {
  const { brokers } = await admin.metadata({ topics: [], forceUpdate: true })
  const replicas = settings.replication ?? Math.min(3, brokers.size)
  const configs = {
    'cleanup.policy': 'delete',
    'retention.ms': String(settings.retentionHours * hourMs),
    // With three replicas, one may be away, and what is acknowledged is on two.
    'min.insync.replicas': replicas >= 3 ? '2' : '1',
    'unclean.leader.election.enable': 'false',
    'message.timestamp.type': 'CreateTime',
  }
  const topic = {
    topics: [settings.topic],
    partitions: settings.partitions,
    replicas,
    configs: Object.entries(configs).map(([name, value]) => ({ name, value })),
  }
  await admin.createTopics(topic).catch((error) => {
    // Another process that starts at the same time was faster.
    if (!answered(error, 'TOPIC_ALREADY_EXISTS')) throw error
  })
}

/** As soon as all its partitions have a leader. */
async function describedTopic(admin: Admin, name: string) {
  const deadline = performance.now() + madeWithinMs
  for (;;) {
    try {
      const { topics } = await admin.metadata({ topics: [name], forceUpdate: true })
      const found = topics.get(name)
      if (found?.partitions.every(({ leader }) => leader >= 0)) return found
      if (performance.now() > deadline) throw new Error(`a partition of ${name} has no leader`)
    } catch (error) {
      if (performance.now() > deadline) throw error
    }
    await sleep(100)
  }
}

async function readConfigs(admin: Admin, name: string): Promise<ReadonlyMap<string, string>> {
  const resource = { resourceType: ConfigResourceTypes.TOPIC, resourceName: name, configurationKeys: checked }
  const [described] = await admin.describeConfigs({ resources: [resource] })
  return new Map(described?.configs.map((config) => [config.name, config.value ?? '']))
}

function problemsOf(configs: ReadonlyMap<string, string>, replicas: number): string[] {
  const problems: string[] = []
  if (configs.get('cleanup.policy')?.includes('compact'))
    problems.push('cleanup.policy=compact drops messages; set it to delete')
  if (Number(configs.get('max.message.bytes')) < recordBatchBytesMax)
    problems.push(`max.message.bytes has to be at least ${recordBatchBytesMax}`)
  if (Number(configs.get('min.insync.replicas')) > replicas)
    problems.push(`min.insync.replicas is more than its ${replicas} replicas, so that nothing is accepted`)
  return problems
}

function warningsOf(configs: ReadonlyMap<string, string>, replicas: number): string[] {
  const warnings: string[] = []
  const retentionMs = Number(configs.get('retention.ms'))
  if (replicas < 2) warnings.push('it has one replica: what is accepted is lost with that broker')
  if (replicas > 1 && Number(configs.get('min.insync.replicas')) < 2)
    warnings.push('min.insync.replicas is 1: what is accepted may be on one broker only')
  if (retentionMs >= 0 && retentionMs < 24 * hourMs)
    warnings.push('retention.ms is less than a day: what is not stored by then is lost')
  return warnings
}
