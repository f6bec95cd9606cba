import type { Device } from '@drover/protocol'
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { IconPencil, IconTrash } from '@tabler/icons-react'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { client } from '../api/client.ts'
import { Confirm } from '../ui/Confirm.tsx'
import { notifyDone, notifyFailure } from '../ui/failure.ts'
import { EditDevice } from './EditDevice.tsx'

export function Actions({ device }: { device: Device }) {
  const [editing, edit] = useDisclosure(false)
  const [deleting, ask] = useDisclosure(false)
  const remove = useRemove(device.id)
  return (
    <>
      <Button variant="default" leftSection={<IconPencil size={16} />} onClick={edit.open}>
        Edit
      </Button>
      <Button variant="default" leftSection={<IconTrash size={16} />} onClick={ask.open}>
        Delete
      </Button>
      <EditDevice device={device} opened={editing} onClose={edit.close} />
      <Confirm
        opened={deleting}
        onClose={ask.close}
        title={`Delete ${device.id}?`}
        action="Delete device"
        typeToConfirm={device.id}
        busy={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        Its connections are closed, and all of its readings are gone for good. To keep them and only lock the
        device out, edit it and choose suspended.
      </Confirm>
    </>
  )
}

function useRemove(id: string) {
  const navigate = useNavigate()
  const queryClient = useQueryClient()
  return useMutation({
    mutationFn: () => client.devices.delete(id),
    onSuccess: async () => {
      notifyDone(`${id} was deleted.`)
      await navigate({ to: '/devices' })
      queryClient.removeQueries({ queryKey: ['device', id] })
      await queryClient.invalidateQueries({ queryKey: ['devices'] })
    },
    onError: notifyFailure,
  })
}
