import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { startServer } from '../../tests/support/server.ts'
import { type Figure, under } from '../figure.ts'
import { createFleet } from '../fleet.ts'
import { connectPacket } from '../load.ts'
import { residentBytes } from '../server.ts'

/** Resident memory that an idle connection takes, from the difference that `connections` of them make. */
export async function idle({ connections }: { connections: number }): Promise<Figure[]> {
  await using server = await startServer()
  const fleet = await createFleet(server, connections + 500)
  const { hostname, port } = new URL(server.mqtt)
  const sockets: Socket[] = []
  const open = async (device: (typeof fleet)[number]) => {
    const socket = connect(Number(port), hostname)
    socket.write(connectPacket({ clientId: device.id, username: device.id, password: device.token }))
    const [answer] = (await once(socket, 'data')) as [Buffer]
    if (answer[3] !== 0) throw new Error(`CONNACK ${answer.toString('hex')}`)
    sockets.push(socket)
  }
  // The first connections also pay for code and pools that all share.
  for (const device of fleet.slice(connections)) await open(device)
  const before = await residentBytes(server.pid)
  for (let at = 0; at < connections; at += 100)
    await Promise.all(fleet.slice(at, Math.min(at + 100, connections)).map(open))
  const bytes = ((await residentBytes(server.pid)) - before) / connections
  for (const socket of sockets) socket.destroy()
  return [under(`memory of an idle connection (${connections})`, bytes / 1024, 'KB', 10)]
}
