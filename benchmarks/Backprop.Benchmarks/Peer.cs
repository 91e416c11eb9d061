using System.Diagnostics;
using System.Globalization;
using System.Runtime.Intrinsics.X86;

namespace Backprop.Benchmarks;

/// <summary>PyTorch in a process of its own, which runs a piece of work whenever it is told to, so
/// that its samples and ours can take turns. See benchmarks/peers/torch_peer.py.</summary>
internal sealed class Peer : IDisposable
{
    private const string Script = "benchmarks/peers/torch_peer.py";

    private readonly Process _process;

    private Peer(Process process)
    {
        _process = process;
        About = Ask("about");
    }

    /// <summary>Its version and the library that multiplies for it.</summary>
    public string About { get; }

    /// <summary>Starts it; it inherits the cores that this process is pinned to.</summary>
    /// <param name="python">The interpreter that has PyTorch.</param>
    /// <param name="threads">Its threads.</param>
    public static Peer Start(string python, int threads)
    {
        var start = new ProcessStartInfo(python)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            ArgumentList = { ScriptPath(), threads.ToString(CultureInfo.InvariantCulture) },
        };

        ChooseBlas(start);
        return new Peer(
            Process.Start(start) ?? throw new InvalidOperationException($"{python} did not start"));
    }

    /// <summary>Has PyTorch multiply as fast as it can: OpenBLAS takes some processors with AVX-512
    /// for ones without.</summary>
    public static void ChooseBlas(ProcessStartInfo start)
    {
        if (Avx512F.IsSupported)
        {
            start.Environment.TryAdd("OPENBLAS_CORETYPE", "SkylakeX");
        }
    }

    /// <summary>Has it prepare a piece of work and run it until it is warm.</summary>
    public void Prepare(string work)
    {
        string answer = Ask(work);
        if (answer != "ready")
        {
            throw new InvalidOperationException($"the peer was asked for {work}: {answer}");
        }
    }

    /// <summary>Seconds of one repetition of the work.</summary>
    public double Run(int repeats) => double.Parse(
        Ask(string.Create(CultureInfo.InvariantCulture, $"run {repeats}")),
        CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(10)))
        {
            _process.Kill();
        }

        _process.Dispose();
    }

    private static string ScriptPath()
    {
        for (string? folder = AppContext.BaseDirectory; folder is not null;
            folder = Path.GetDirectoryName(folder))
        {
            string path = Path.Combine(folder, Script);
            if (File.Exists(path))
            {
                return path;
            }
        }

        throw new FileNotFoundException($"{Script} is in no folder above the program");
    }

    private string Ask(string question)
    {
        _process.StandardInput.WriteLine(question);
        _process.StandardInput.Flush();
        return _process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException($"the peer ended when asked: {question}");
    }
}
