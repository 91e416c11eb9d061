using Backprop.Training.Checkpoints;

namespace Backprop.Training.Tests.Checkpoints;

/// <summary>Keeps every checkpoint as the bytes of its file.</summary>
internal sealed class InMemoryCheckpointStore : ICheckpointStore
{
    public List<byte[]> Files { get; } = [];

    public List<long> Steps { get; } = [];

    public void Save(Checkpoint checkpoint)
    {
        using var stream = new MemoryStream();
        checkpoint.WriteTo(stream);
        Files.Add(stream.ToArray());
        Steps.Add(checkpoint.Header.Position.Step);
    }

    public Checkpoint? Load() =>
        Files.Count == 0 ? null : Checkpoint.ReadFrom(new MemoryStream(Files[^1]));
}
