namespace Backprop.Training.Protocol;

/// <summary>What the coordinator grants, so that no step has to ask: train up to a version.
/// </summary>
/// <param name="EndVersion">Nothing is computed at this version, and none above it is made.</param>
/// <param name="PlateauReductions">Reductions of the learning rate by plateaus so far: they hold
/// for every step of the lease.</param>
public readonly record struct Lease(long EndVersion, int PlateauReductions)
{
    internal string? Refusal(RunDimensions run) =>
        EndVersion < 0 || EndVersion > run.TotalSteps || PlateauReductions < 0
            ? $"a lease to version {EndVersion} with {PlateauReductions} reductions, in a run of"
                + $" {run.TotalSteps} steps"
            : null;
}
