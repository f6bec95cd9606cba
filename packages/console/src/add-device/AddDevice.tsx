import type { DeviceCreated } from '@drover/protocol'
import { useState } from 'react'
import { TextLink } from '../ui/links.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import { DeviceForm } from './DeviceForm.tsx'
import { FirstReading } from './FirstReading.tsx'

/** First the form; then, once, the token and how to use it. */
export function AddDevice() {
  const [created, setCreated] = useState<DeviceCreated>()
  return (
    <>
      <PageTitle
        above={<TextLink to="/devices">Devices</TextLink>}
        title={created ? `Connect ${created.device.id}` : 'Add device'}
        description={
          created
            ? 'Send a first reading with one of these commands, from the device or from this computer.'
            : 'A device is whatever sends readings: a sensor, a gateway, a script.'
        }
      />
      {created ? (
        <FirstReading created={created} onAnother={() => setCreated(undefined)} />
      ) : (
        <DeviceForm onCreated={setCreated} />
      )}
    </>
  )
}
