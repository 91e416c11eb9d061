namespace Backprop.Distributed.Nodes;

/// <summary>
/// What a version of this software has in common with others: nodes of two versions work in one
/// cluster if each understands the protocol that the other speaks, and if both come to the same
/// bits. <c>docs/operations.md</c> says what that means for an upgrade.
/// </summary>
/// <param name="Newest">The protocol that it speaks: raised with whatever a node of the version
/// before must not be sent.</param>
/// <param name="Oldest">The oldest protocol that it still understands.</param>
/// <param name="Arithmetic">Raised with whatever changes the bits of a run.</param>
public sealed record ProtocolSupport(int Newest, int Oldest, int Arithmetic)
{
    /// <summary>This program's.</summary>
    public static ProtocolSupport Current { get; } = new(1, 1, 1);

    /// <summary>Whether nodes of both may be in one cluster.</summary>
    public bool WorksWith(ProtocolSupport other) =>
        Arithmetic == other.Arithmetic && other.Newest >= Oldest && Newest >= other.Oldest;

    /// <summary>Why a node cannot come into a cluster, in words; null: it can.</summary>
    /// <param name="node">Who is in the cluster, of this.</param>
    /// <param name="younger">Who wants to come in.</param>
    public static string? Refusal(NodeDescription node, NodeDescription younger)
    {
        ProtocolSupport its = younger.Protocol, ours = node.Protocol;
        if (ours.WorksWith(its))
        {
            return null;
        }

        string who = $"node {younger.Node} runs version {younger.SoftwareVersion}";
        if (its.Arithmetic != ours.Arithmetic)
        {
            return $"{who}, which computes by arithmetic {its.Arithmetic}, but node {node.Node}"
                + $" runs {node.SoftwareVersion}, by {ours.Arithmetic}: a run would come to other"
                + " bits; end the cluster, and start all of it in one version";
        }

        return its.Newest > ours.Newest
            ? $"{who}, which understands protocols {its.Oldest} to {its.Newest}, but node"
                + $" {node.Node} runs {node.SoftwareVersion}, of protocol {ours.Newest}: upgrade"
                + " the cluster to a version between them first"
            : $"{who}, of protocol {its.Newest}, but node {node.Node} runs {node.SoftwareVersion},"
                + $" which understands protocols {ours.Oldest} to {ours.Newest}: upgrade the node"
                + " first";
    }
}

/// <summary>A version of this software, as a node says of itself.</summary>
/// <param name="Release">Its number, for people.</param>
/// <param name="Protocol">What it can work with.</param>
public sealed record SoftwareVersion(string Release, ProtocolSupport Protocol)
{
    private const int Parts = 4;
    private const int MaxReleaseLength = 32;

    /// <summary>As it is written in a configuration, for tests: <c>0.2.0/2/1/1</c> is release
    /// 0.2.0, which speaks protocol 2, understands from 1 on, and computes by arithmetic 1.
    /// </summary>
    /// <returns>null: it is not written like that.</returns>
    public static SoftwareVersion? Parse(string text)
    {
        string[] parts = text.Split('/');
        return parts.Length == Parts && parts[0].Length is > 0 and <= MaxReleaseLength
            && int.TryParse(parts[1], out int newest) && int.TryParse(parts[2], out int oldest)
            && int.TryParse(parts[3], out int arithmetic)
            && oldest is > 0 && newest >= oldest && arithmetic > 0
            ? new SoftwareVersion(parts[0], new ProtocolSupport(newest, oldest, arithmetic))
            : null;
    }
}
