using System.Text.RegularExpressions;
using Akka.Event;

namespace Backprop.Distributed.Security;

/// <summary>What Akka's remoting says of connections that have come to nothing, and of messages
/// that cannot be read, in many lines each: whether that is news, and in our words.</summary>
internal static partial class TransportNews
{
    private const string Space = "Akka.Remote.Transport.DotNetty";
    private const string What = "control connection";

    // What the transport says, and what that means.
    private static readonly (string Words, string Reason)[] s_reasons =
    [
        ("not an SSL/TLS record", "it sends something else than TLS"),
        ("Adjusted frame length exceeds", "it sends a frame that is too long"),
        ("negative pre-adjustment length", "it sends a frame without a length"),
        ("was rejected by the provided RemoteCertificateValidationCallback", Rejected),
    ];

    // Why is told where it was rejected, unless there was nothing to look at.
    private const string Rejected = "it shows no certificate of this cluster";

    /// <summary>Whether an event is the transport's about a connection.</summary>
    /// <param name="log">The event.</param>
    /// <param name="refusal">What it comes to; null: it is no news.</param>
    public static bool IsAbout(LogEvent log, out Refusal? refusal)
    {
        refusal = null;
        string space = log.LogClass?.Namespace ?? "";
        if (!space.StartsWith(nameof(Akka) + ".Remote", StringComparison.Ordinal))
        {
            return false;
        }

        string text = $"{log.Message} {log.Cause?.Message}";
        if (Unreadable().Match(text) is { Success: true } unreadable)
        {
            string remote = Writer().Match(Uri.UnescapeDataString(log.LogSource)) is
                { Success: true } writer
                ? writer.Groups["remote"].Value
                : "an unknown node";
            refusal = new Refusal(
                "message", remote, $"serializer {unreadable.Groups["serializer"].Value} does not"
                + " take its type");
            return true;
        }

        if (space != Space)
        {
            return false;
        }

        Match channel = Channel().Match(text);
        if (!channel.Success)
        {
            return false;
        }

        // Who looks whether somebody is there closes at once: so do other nodes.
        if (text.Contains("Channel is closed", StringComparison.Ordinal))
        {
            return true;
        }

        string? known = s_reasons
            .FirstOrDefault(one => text.Contains(one.Words, StringComparison.Ordinal)).Reason;
        refusal = new Refusal(
            What, channel.Groups["remote"].Value, known ?? FirstError(text));
        return true;
    }

    // Without what differs each time.
    private static string FirstError(string text)
    {
        const int most = 200;
        Match error = Error().Match(text);
        string found = error.Success ? error.Groups["error"].Value.Trim() : text;
        return Channel().Replace(found.Length > most ? found[..most] : found, "it").Trim();
    }

    [GeneratedRegex(@"channel \[(?<local>.+?)->(?<remote>.+?)\]\(Id=\w+\)")]
    private static partial Regex Channel();

    [GeneratedRegex(@"Error: (?<error>[^\r\n]+)")]
    private static partial Regex Error();

    [GeneratedRegex(@"serializer id \[(?<serializer>-?\d+)\].*Transient association error")]
    private static partial Regex Unreadable();

    [GeneratedRegex(@"Writer-akka[\w.]*://[^@]+@(?<remote>[^/]+?)(-\d+)?/")]
    private static partial Regex Writer();
}
