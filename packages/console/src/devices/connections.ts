import type { Connection, Device, LiveEvent, Page } from '@drover/protocol'

/** The page with the connections that the events tell of; the same page where they tell of none of its devices. */
export function withConnections(page: Page<Device>, events: readonly LiveEvent[]): Page<Device> {
  const changed = new Map<string, Connection>()
  for (const event of events) if (event.type === 'connection') changed.set(event.device, event.connection)
  if (!page.items.some(({ id }) => changed.has(id))) return page
  const items = page.items.map((device) => {
    const connection = changed.get(device.id)
    return connection ? { ...device, connection } : device
  })
  return { ...page, items }
}
