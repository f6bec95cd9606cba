import { DroverError } from '@drover/protocol'
import type { Client } from '@drover/sdk/client'

/** Where the server that answers at `url` takes MQTT: with TLS if the URL has it. Throws `badRequest` if that is off. */
export async function mqttAddress(client: Client, url: string): Promise<string> {
  const { hostname, protocol } = new URL(url)
  const { ports } = await client.server()
  if (protocol === 'http:' && ports.mqtt !== null) return `mqtt://${hostname}:${ports.mqtt}`
  if (ports.mqtts !== null) return `mqtts://${hostname}:${ports.mqtts}`
  throw new DroverError('badRequest', { reason: 'the server does not take MQTT there; name it with --mqtt' })
}
