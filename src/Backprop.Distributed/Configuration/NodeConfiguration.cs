using System.Collections.Immutable;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Configuration;

/// <summary>
/// How a node works: where it writes and what it computes with. Nothing in it can change a run's
/// weights. <see cref="NodeConfigurationReader"/> reads it; <c>hocon/reference.conf</c> documents
/// every key and holds the defaults.
/// </summary>
public sealed record NodeConfiguration
{
    /// <summary>Threads that compute (<c>backprop.compute.threads</c>); 0: one a core.</summary>
    public required int ComputeThreads { get; init; }

    /// <summary>The directory that runs write under (<c>backprop.output</c>).</summary>
    public required string Output { get; init; }

    /// <summary>When and how checkpoints are written (<c>backprop.checkpoint</c>).</summary>
    public required CheckpointConfiguration Checkpoint { get; init; }

    /// <summary>Copies of slices in memory (<c>backprop.copies</c>).</summary>
    public required CopyOptions Copies { get; init; }

    /// <summary>The cluster that the node is of (<c>backprop.cluster</c>).</summary>
    public required ClusterConfiguration Cluster { get; init; }

    /// <summary>The node itself (<c>backprop.node</c>).</summary>
    public required MemberConfiguration Member { get; init; }

    /// <summary>Its tensor links (<c>backprop.links</c>).</summary>
    public required LinksConfiguration Links { get; init; }

    /// <summary>The state database (<c>backprop.persistence</c>).</summary>
    public required StateConfiguration State { get; init; }

    /// <summary>Where data are found (<c>backprop.data</c>).</summary>
    public required DataConfiguration Data { get; init; }

    /// <summary>Code that it may load (<c>backprop.plugins</c>).</summary>
    public required PluginConfiguration Plugins { get; init; }

    /// <summary>Where users' requests are taken (<c>backprop.api</c>).</summary>
    public required ApiConfiguration Api { get; init; }

    /// <summary>What it shows other nodes and knows them by (<c>backprop.tls</c>); null: it speaks
    /// without TLS.</summary>
    public TlsConfiguration? Tls { get; init; }

    /// <summary>Whether it is meant that other machines reach it without TLS
    /// (<c>backprop.insecure</c>).</summary>
    public bool IsInsecure { get; init; }

    /// <summary>Where it is measured (<c>backprop.metrics</c>).</summary>
    public required MetricsConfiguration Metrics { get; init; }

    /// <summary>What it sends of that by itself (<c>backprop.otlp</c>).</summary>
    public required OtlpConfiguration Otlp { get; init; }

    /// <summary>What it writes (<c>backprop.log</c>).</summary>
    public required LogConfiguration Log { get; init; }

    /// <summary>The threads to compute with on this machine: <see cref="ComputeThreads"/>, or one a
    /// core.</summary>
    public int EffectiveThreads =>
        ComputeThreads > 0 ? ComputeThreads : Environment.ProcessorCount;
}

/// <summary>When and how checkpoints are written.</summary>
/// <param name="Interval">Time between two while a run trains.</param>
/// <param name="Keep">Checkpoints kept; older ones are deleted after a newer one is safe.</param>
public sealed record CheckpointConfiguration(TimeSpan Interval, int Keep);

/// <summary>A node configuration that cannot be used: every mistake at once, each with its key.
/// </summary>
public sealed class NodeConfigurationException : Exception
{
    /// <summary>These mistakes, at least one.</summary>
    public NodeConfigurationException(ImmutableArray<string> mistakes)
        : base(string.Join(Environment.NewLine, mistakes)) => Mistakes = mistakes;

    /// <summary>What is wrong, where, and what would be right.</summary>
    public ImmutableArray<string> Mistakes { get; }
}
