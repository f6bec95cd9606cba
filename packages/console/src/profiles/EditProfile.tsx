import type { Profile } from '@drover/protocol'
import { Button } from '@mantine/core'
import { useDisclosure } from '@mantine/hooks'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate, useParams } from '@tanstack/react-router'
import { client } from '../api/client.ts'
import { profileQuery } from '../api/queries.ts'
import { Confirm } from '../ui/Confirm.tsx'
import { notifyDone, notifyFailure } from '../ui/failure.ts'
import { TextLink } from '../ui/links.tsx'
import { PageFailed } from '../ui/PageFailed.tsx'
import { PageLoading } from '../ui/PageLoading.tsx'
import { PageTitle } from '../ui/PageTitle.tsx'
import { draftOf, type ProfileFields } from './draft.ts'
import { ProfileForm } from './ProfileForm.tsx'

export function EditProfile() {
  const { profileId } = useParams({ from: '/signed-in/profiles/$profileId' })
  const { data, error } = useQuery(profileQuery(profileId))
  return (
    <>
      <PageTitle
        above={<TextLink to="/profiles">Profiles</TextLink>}
        title={profileId}
        description="Changes hold for what arrives from now on; what is stored stays as it is."
      />
      {data ? (
        <Editor key={data.id} profile={data} />
      ) : error ? (
        <PageFailed error={error} />
      ) : (
        <PageLoading />
      )}
    </>
  )
}

function Editor({ profile }: { profile: Profile }) {
  const { save, remove } = useChanges(profile)
  const [asked, { open, close }] = useDisclosure(false)
  return (
    <ProfileForm
      initial={draftOf(profile)}
      known={profile}
      action="Save"
      busy={save.isPending}
      error={save.error}
      onSubmit={(input) => save.mutate(input)}
    >
      {profile.id !== 'default' && (
        <Button variant="subtle" color="red" onClick={open}>
          Delete profile
        </Button>
      )}
      <Confirm
        opened={asked}
        onClose={close}
        title={`Delete the profile ${profile.id}?`}
        action="Delete profile"
        busy={remove.isPending}
        onConfirm={() => remove.mutate()}
      >
        A profile that a device has cannot be deleted.
      </Confirm>
    </ProfileForm>
  )
}

function useChanges({ id }: Profile) {
  const navigate = useNavigate()
  const queryClient = useQueryClient()
  const leave = async (message: string) => {
    await queryClient.invalidateQueries({ queryKey: ['profiles'] })
    notifyDone(message)
    await navigate({ to: '/profiles' })
  }
  const save = useMutation({
    mutationFn: ({ id: _, intervalSeconds, ...patch }: ProfileFields) =>
      client.profiles.update(id, { ...patch, intervalSeconds: intervalSeconds ?? null }),
    onSuccess: async (changed) => {
      queryClient.setQueryData(profileQuery(id).queryKey, changed)
      await leave(`Profile ${id} was saved.`)
    },
  })
  const remove = useMutation({
    mutationFn: () => client.profiles.delete(id),
    onSuccess: () => leave(`Profile ${id} was deleted.`),
    onError: notifyFailure,
  })
  return { save, remove }
}
