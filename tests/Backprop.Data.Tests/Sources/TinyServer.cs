using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Backprop.Data.Tests.Sources;

/// <summary>A server of one answer a connection, on a port of its own: what it is told to say, byte
/// for byte.</summary>
internal sealed class TinyServer : IDisposable
{
    private readonly Socket _listener = new(SocketType.Stream, ProtocolType.Tcp);
    private readonly Queue<byte[]> _answers;
    private readonly List<Socket> _clients = [];
    private readonly Thread _thread;

    /// <summary>Starts it.</summary>
    /// <param name="answers">One for each request; the last one for all that follow. An empty one
    /// is silence.</param>
    public TinyServer(params byte[][] answers)
    {
        _answers = new Queue<byte[]>(answers);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        Url = new Uri($"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}/x");
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    public int Requests { get; private set; }

    public Uri Url { get; }

    public static byte[] Answer(string status, byte[] body, int? length = null) =>
    [
        .. Encoding.ASCII.GetBytes(
            $"HTTP/1.1 {status}\r\nContent-Length: {length ?? body.Length}\r\n"
            + "Connection: close\r\n\r\n"),
        .. body,
    ];

    public void Dispose()
    {
        _listener.Dispose();
        _thread.Join();
        _clients.ForEach(client => client.Dispose());
    }

    private void Serve()
    {
        try
        {
            while (true)
            {
                Socket client = _listener.Accept();
                _clients.Add(client);
                Requests++;
                byte[] answer = _answers.Count > 1 ? _answers.Dequeue() : _answers.Peek();
                if (answer.Length > 0)
                {
                    Reply(client, answer);
                }
            }
        }
        catch (Exception ended) when (ended is SocketException or ObjectDisposedException)
        {
            // The listener is closed, in an accept or between two: that is how this thread ends.
        }
    }

    private static void Reply(Socket client, byte[] answer)
    {
        using var stream = new NetworkStream(client, ownsSocket: true);
        var request = new StringBuilder();
        while (!request.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            int read = stream.ReadByte();
            if (read < 0)
            {
                return;
            }

            request.Append((char)read);
        }

        stream.Write(answer);
    }
}
