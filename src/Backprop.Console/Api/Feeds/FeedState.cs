using System.Collections.Immutable;

namespace Backprop.Console.Api.Feeds;

/// <summary>An event of a stream, as it is sent.</summary>
/// <param name="Kind">Its name.</param>
/// <param name="Data">JSON, in UTF-8.</param>
internal readonly record struct FeedEvent(string Kind, ReadOnlyMemory<byte> Data);

/// <summary>A happening, as it is sent.</summary>
/// <param name="IsRoutine">Whether it happens in every epoch.</param>
/// <param name="Data">JSON, in UTF-8.</param>
internal readonly record struct KnownHappening(bool IsRoutine, ReadOnlyMemory<byte> Data);

/// <summary>What is known of a run at one moment, for all its readers. What lies in it is written
/// once, whoever reads it.</summary>
internal sealed record FeedState
{
    /// <summary>Before anything is known.</summary>
    public static FeedState Empty { get; } = new();

    /// <summary>Counts the changes, from 1; 0: nothing is known yet.</summary>
    public long Number { get; init; }

    /// <summary>The run without its lists, as JSON.</summary>
    public ReadOnlyMemory<byte> View { get; init; }

    /// <summary>Counts the changes of <see cref="View"/>.</summary>
    public long ViewNumber { get; init; }

    /// <summary>The reports of all epochs, as JSON.</summary>
    public ImmutableList<ReadOnlyMemory<byte>> Epochs { get; init; } = [];

    /// <summary>The newest happenings, by number.</summary>
    public ImmutableSortedDictionary<long, KnownHappening> Happenings { get; init; } =
        ImmutableSortedDictionary<long, KnownHappening>.Empty;

    /// <summary>The layers' names.</summary>
    public ImmutableArray<string> Layers { get; init; } = [];

    /// <summary>The points of the curves.</summary>
    public KnownCurves Curves { get; init; } = KnownCurves.Empty;

    /// <summary>Whether all of the curves that there is has been read.</summary>
    public bool IsWhole { get; init; }

    /// <summary>Whether the run is over.</summary>
    public bool IsOver { get; init; }

    /// <summary>Why nothing newer is known, in words; null: this is of now.</summary>
    public string? Trouble { get; init; }

    /// <summary>How old it is.</summary>
    public TimeSpan Age { get; init; }
}
