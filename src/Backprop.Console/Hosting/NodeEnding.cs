namespace Backprop.Console.Hosting;

/// <summary>That a node cannot stay in its cluster.</summary>
/// <param name="Reason">Why, in words.</param>
/// <param name="MayReturn">Whether it may come back as a new node, in the same process.</param>
/// <param name="HadJoined">Whether it was in its cluster.</param>
/// <param name="Founds">Whether the node that comes back founds the cluster: see
/// <see cref="Founding"/>.</param>
internal sealed record NodeEnding(
    string Reason, bool MayReturn, bool HadJoined = true, bool Founds = false);
