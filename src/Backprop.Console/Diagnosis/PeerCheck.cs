using System.Net.Sockets;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Nodes;

namespace Backprop.Console.Diagnosis;

/// <summary>Looks whether nodes to join can be reached.</summary>
internal static class PeerCheck
{
    private const string Check = "nodes to join";

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(3);

    public static async Task<IEnumerable<Finding>> ExamineAsync(
        NodeConfiguration node, CancellationToken cancellation)
    {
        if (node.Cluster.Join.IsEmpty)
        {
            return [Finding.Ok(Check, $"none: it founds cluster '{node.Cluster.Name}'")];
        }

        (NodeAddress Peer, string? Trouble)[] answers = await Task.WhenAll(
            node.Cluster.Join.Select(async peer =>
                (peer, await TryReachAsync(peer, cancellation))));
        bool isAlone = answers.All(answer => answer.Trouble is not null);
        // Of several coordinators the first one that starts finds nobody.
        bool mayFound = node.Member.Roles.HasFlag(NodeRoles.Coordinator)
            && node.Cluster.Coordinators > 1;
        return answers.Select(answer => answer.Trouble switch
        {
            null => Finding.Ok(Check, $"{answer.Peer} answers"),
            var trouble when isAlone && !mayFound => Finding.Problem(
                Check, $"{answer.Peer} does not answer: {trouble}", Advice(answer.Peer)),
            var trouble => Finding.Warning(
                Check, $"{answer.Peer} does not answer: {trouble}", Advice(answer.Peer)),
        });
    }

    private static string Advice(NodeAddress peer) =>
        $"start the node at {peer}, let the firewall pass its port, or correct"
        + " backprop.cluster.join";

    private static async Task<string?> TryReachAsync(
        NodeAddress peer, CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_limit);
        try
        {
            using var socket = new TcpClient();
            await socket.ConnectAsync(peer.Host, peer.Port, limit.Token);
            return null;
        }
        catch (SocketException failure)
        {
            return failure.Message;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return $"nothing was heard for {s_limit.TotalSeconds:0} s";
        }
    }
}
