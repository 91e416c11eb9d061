using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Simulation;

/// <summary>The database: a run's events, and the parts of its checkpoints, found by version,
/// blocks and content.</summary>
internal sealed class SimulatedStorage
{
    private readonly Dictionary<(long Version, CheckpointPart Part), float[]> _parts = [];
    private readonly List<RunEvent> _events = [];

    /// <summary>Until then it does not answer.</summary>
    public TimeSpan AwayUntil { get; set; }

    /// <summary>What has happened to the run.</summary>
    public IReadOnlyList<RunEvent> Events => _events;

    /// <summary>The coordinator that owns the run's events: nobody else may write any.</summary>
    public object? Owner { get; set; }

    /// <summary>What a part with this content is called.</summary>
    public static CheckpointPart Name(int firstBlock, int endBlock, float[] content) => new(
        firstBlock, endBlock,
        Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(content.AsSpan()))));

    /// <summary>Writes events, all of them. As in a journal, positions stand there without the
    /// reports, which are events of their own.</summary>
    public void Append(ImmutableArray<RunEvent> events)
    {
        foreach (RunEvent happened in events)
        {
            _events.Add(happened switch
            {
                CheckpointBegun begun => begun with { Position = Plain(begun.Position) },
                CheckpointCommitted committed => committed with
                {
                    Manifest = committed.Manifest with
                    {
                        Position = Plain(committed.Manifest.Position),
                    },
                },
                GenerationOpened { Copies: { } copies } opened => opened with
                {
                    Copies = copies with { Position = Plain(copies.Position) },
                },
                _ => happened,
            });
        }
    }

    public void Write(long version, CheckpointPart part, float[] content) =>
        _parts[(version, part)] = content;

    /// <summary>A part's content; null: it is not there.</summary>
    public float[]? Read(long version, CheckpointPart part) =>
        _parts.GetValueOrDefault((version, part));

    /// <summary>Deletes all of a version.</summary>
    public void Delete(long version)
    {
        foreach (var key in _parts.Keys.Where(key => key.Version == version).ToArray())
        {
            _parts.Remove(key);
        }
    }

    private static TrainingPosition Plain(TrainingPosition position) =>
        position with { History = [] };
}
