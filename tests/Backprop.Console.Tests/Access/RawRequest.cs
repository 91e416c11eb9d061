using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Backprop.Console.Tests.Access;

/// <summary>Requests as no proper client would send them.</summary>
internal static class RawRequest
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    /// <summary>Sends a text, and reads until the server closes.</summary>
    public static async Task<string> SendAsync(Uri server, string request)
    {
        using var limit = new CancellationTokenSource(s_patience);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Port, limit.Token);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(request), limit.Token);
        return await ReadAsync(stream, () => { }, limit.Token);
    }

    /// <summary>Sends a head, and then a piece again and again, until the server answers or closes.
    /// </summary>
    /// <returns>The answer, and how many bytes were sent before it.</returns>
    public static async Task<(string Answer, long Sent)> FloodAsync(
        Uri server, string head, byte[] piece, long most)
    {
        using var limit = new CancellationTokenSource(s_patience);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, server.Port, limit.Token);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.Latin1.GetBytes(head), limit.Token);
        bool isAnswered = false;
        Task<string> answer = ReadAsync(
            stream, () => Volatile.Write(ref isAnswered, true), limit.Token);
        long sent = 0;
        try
        {
            while (sent < most && !answer.IsCompleted && !Volatile.Read(ref isAnswered))
            {
                await stream.WriteAsync(piece, limit.Token);
                sent += piece.Length;
            }
        }
        catch (IOException)
        {
            // The server has closed.
        }

        return (await answer, sent);
    }

    /// <summary>The status of an answer.</summary>
    public static HttpStatusCode StatusOf(string answer)
    {
        string[] words = answer.Split(' ', 3);
        Assert.True(words.Length == 3 && words[0].StartsWith("HTTP/1."), $"'{answer}'");
        return (HttpStatusCode)int.Parse(words[1]);
    }

    private static async Task<string> ReadAsync(
        NetworkStream stream, Action heard, CancellationToken cancellation)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, cancellation)) > 0)
            {
                heard();
                text.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (IOException)
        {
            // It was closed while something was under way; what came before counts.
        }

        return text.ToString();
    }
}
